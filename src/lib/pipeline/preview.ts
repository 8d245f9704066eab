/** A picture of the latent while it is made. */
import type { HostTensor } from '../backends/backend';
import type { FamilyId } from '../models/family';
import type { PixelImage } from '../rpc/engine';
import { latentToRgb, PREVIEW_FACTORS, rgbToBytes, type PreviewFactors, type PreviewFamily } from '../sampling/preview';
import { decodeLatent } from './autoencoder';
import { pickLatent } from './latents';
import type { LoadedModel } from './loaded_model';

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

/** The batch's first picture: by the tiny decoder where the model has no other, else a linear map, one pixel per cell. */
export async function previewOf(
  model: LoadedModel,
  denoised: HostTensor,
  tiling: boolean,
): Promise<PixelImage | undefined> {
  const one = pickLatent(denoised, 0);
  if (!one.data.every(Number.isFinite)) return undefined;
  if (model.detected.vae?.architecture === 'tiny-vae') return decodeLatent(model, one, { tiling });
  const family = FACTORS_OF[model.detected.family.id];
  const factors = family && PREVIEW_FACTORS[family];
  return factors && linearPreview(one, factors);
}

/** A latent's linear RGB estimate, one pixel per cell; undefined when its channels are not those of the factors. */
export function linearPreview(latent: HostTensor, factors: PreviewFactors): PixelImage | undefined {
  const [, channels = 0, heightPx = 0, widthPx = 0] = latent.shape;
  if (channels !== factors.factors.length) return undefined;
  const bytes = rgbToBytes(latentToRgb(latent.data, factors));
  const rgba = new Uint8ClampedArray(4 * heightPx * widthPx).fill(255);
  for (let i = 0; i < heightPx * widthPx; i++) rgba.set(bytes.subarray(3 * i, 3 * i + 3), 4 * i);
  return { widthPx, heightPx, rgba };
}
