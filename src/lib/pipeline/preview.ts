/** A picture of the latent while it is made. */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import type { FamilyId } from '../models/family';
import type { PixelImage } from '../rpc/engine';
import { latentToRgb, PREVIEW_FACTORS, rgbToBytes, type PreviewFactors, type PreviewFamily } from '../sampling/preview';
import { decodeLatent } from './autoencoder';
import { pickLatent } from './latents';
import type { LoadedModel } from './loaded_model';
import { brokenPixel } from './pixels';

/** Whose factors fit a family's latents. FLUX.2 has none published. */
const FACTORS_OF: Readonly<Partial<Record<FamilyId, PreviewFamily>>> = {
  sd1: 'sd1',
  sd2: 'sd1',
  sdxl: 'sdxl',
  'sdxl-refiner': 'sdxl',
  sd3: 'sd3',
  flux1: 'flux',
  chroma: 'flux',
  'z-image': 'flux',
};

/**
 * The batch's first picture: by the tiny decoder where the model has no other, else a linear map, one pixel per cell.
 * @returns undefined without factors for the model's latents, and for a latent that holds no numbers
 */
export async function previewOf(
  model: LoadedModel,
  denoised: DeviceTensor,
  tiling: boolean,
): Promise<PixelImage | undefined> {
  const { backend, detected } = model;
  if (detected.vae?.architecture === 'tiny-vae') {
    const one = pickLatent(await backend.download(denoised), 0);
    return one.data.every(Number.isFinite) ? decodeLatent(model, one, { tiling }) : undefined;
  }
  const family = FACTORS_OF[detected.family.id];
  const factors = family && PREVIEW_FACTORS[family];
  if (!factors || factors.factors.length !== denoised.shape[1]) return undefined;
  const image = backend.pictures
    ? await backend.pictures.download(denoised, 0, factors)
    : linearPreview(pickLatent(await backend.download(denoised), 0), factors);
  return brokenPixel(image) < 0 ? image : undefined;
}

/** A latent's linear RGB estimate, one pixel per cell; alpha is 0 where it holds no numbers. */
function linearPreview(latent: HostTensor, factors: PreviewFactors): PixelImage {
  const [, , heightPx = 0, widthPx = 0] = latent.shape;
  const rgb = latentToRgb(latent.data, factors);
  const bytes = rgbToBytes(rgb);
  const rgba = new Uint8ClampedArray(4 * heightPx * widthPx);
  for (let i = 0; i < heightPx * widthPx; i++) {
    if (!rgb.subarray(3 * i, 3 * i + 3).every(Number.isFinite)) continue;
    rgba.set(bytes.subarray(3 * i, 3 * i + 3), 4 * i);
    rgba[4 * i + 3] = 255;
  }
  return { widthPx, heightPx, rgba };
}
