/** From a start picture and a mask to what sampling needs, and from the painted picture back into the whole. */
import type { HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { CropBox } from '../extensions/hooks';
import type { HostArray } from '../models/family';
import type { InitRequest, InpaintFill, InpaintRequest, PixelImage } from '../rpc/engine';
import { maskToLatent } from '../sampling/img2img/resample';
import { encodeImage, encodePixels } from './autoencoder';
import { fitImage } from './fit_image';
import type { LoadedModel } from './loaded_model';
import {
  blurMask,
  cropImage,
  cropMask,
  expandBox,
  fillMasked,
  isEmpty,
  maskBox,
  maskPicture,
  pasteBack,
  readMask,
  resizeMask,
  type Mask,
} from './mask_image';
import { assertPixels, pixelsToTensor } from './pixels';
import { checkSoft } from './soft_inpaint';
import { resampleImage } from './resample';

/** A mask fitted to its picture, before anything is encoded. */
export interface PreparedMask {
  /** The picture that is painted into: the user's own for `masked`, the fitted one for `whole`. */
  readonly original: PixelImage;
  /** Blurred, of the original's size: what is pasted back. */
  readonly overlay: Mask;
  readonly box: CropBox;
  /** Mask and picture at the job's size. */
  readonly mask: Mask;
  readonly picture: PixelImage;
}

/**
 * Fits picture and mask to the job.
 * @returns undefined for an empty mask: there is nothing to repaint inside it, the whole picture is the job
 * @throws AppError 'image/invalid', 'argument/invalid' (mask of another ratio, blur or padding out of range)
 */
export function prepareMask(
  init: InitRequest,
  inpaint: InpaintRequest,
  size: { widthPx: number; heightPx: number },
): PreparedMask | undefined {
  const { image } = init;
  assertPixels(image);
  const { paddingPx, blurPx } = inpaint;
  if (!(Number.isInteger(paddingPx) && paddingPx >= 0 && paddingPx <= 256)) {
    throw new AppError('argument/invalid', `mask padding: must be a whole number in 0..256 pixels, got ${paddingPx}.`);
  }
  if (inpaint.soft) checkSoft(inpaint.soft);
  const { conditioningWeight: weight = 1 } = inpaint;
  if (!(weight >= 0 && weight <= 1)) {
    throw new AppError('argument/invalid', `conditional mask weight: must be a number in 0..1, got ${weight}.`);
  }
  const read = readMask(inpaint.mask, inpaint.invert);
  const ratio = (read.widthPx * image.heightPx) / (read.heightPx * image.widthPx);
  if (Math.abs(ratio - 1) > 0.02) {
    throw new AppError(
      'argument/invalid',
      `mask: must have the proportions of its picture (${image.widthPx}x${image.heightPx}), got ${read.widthPx}x${read.heightPx}; draw it on the same picture.`,
      { details: { mask: [read.widthPx, read.heightPx], image: [image.widthPx, image.heightPx] } },
    );
  }
  if (isEmpty(read)) return undefined;
  const full = blurMask(resizeMask(read, image.widthPx, image.heightPx), blurPx);
  const { widthPx, heightPx } = size;
  if (inpaint.area === 'masked') {
    const box = expandBox(maskBox(full, paddingPx), widthPx / heightPx, image);
    const picture = fitImage(cropImage(image, box), widthPx, heightPx, 'just');
    return { original: image, overlay: full, box, mask: resizeMask(cropMask(full, box), widthPx, heightPx), picture };
  }
  const picture = fitImage(image, widthPx, heightPx, init.resizeMode);
  const fitted = readMask(fitImage(maskPicture(full), widthPx, heightPx, init.resizeMode), false);
  const box = { leftPx: 0, topPx: 0, widthPx, heightPx };
  return { original: picture, overlay: fitted, box, mask: fitted, picture };
}

/** What sampling starts from: the encoded picture, and the share to repaint per latent cell. */
export interface EncodedMask {
  readonly init: HostTensor;
  /** What was encoded: the job's picture, its masked area filled where that was asked for. */
  readonly picture: PixelImage;
  readonly latentMask: Float32Array;
}

/** Encodes a prepared picture, the masked area filled unless its own content is wanted. */
export async function encodeMask(
  model: LoadedModel,
  prepared: PreparedMask,
  inpaint: Pick<InpaintRequest, 'fill' | 'round' | 'soft'>,
  options: { tiling: boolean; signal?: AbortSignal | undefined },
): Promise<EncodedMask> {
  const { mask } = prepared;
  const picture = inpaint.fill === 'original' ? prepared.picture : fillMasked(prepared.picture, mask);
  const init = await encodeImage(model, picture, options);
  const [, , height = 0, width = 0] = init.shape;
  const rule = rounds(inpaint) ? 'webui-rounded' : 'webui';
  const from = { height: mask.heightPx, width: mask.widthPx };
  return { init, picture, latentMask: maskToLatent(mask.data, from, { height, width }, rule) };
}

/** Whether masks become 0 or 1. Source: A1111 and Forge processing.py, `mask_round`, which soft inpainting turns off. */
export function rounds({ round = true, soft }: Pick<InpaintRequest, 'round' | 'soft'>): boolean {
  return round && !soft;
}

/**
 * The start latents of a batch: the masked cells become noise or nothing where the request says so.
 * @param noise  unit noise `[batch, C, h, w]` for `latentNoise`
 */
export function fillLatent({ init, latentMask }: EncodedMask, fill: InpaintFill, noise: Float32Array): HostTensor {
  if (fill !== 'latentNoise' && fill !== 'latentNothing') return init;
  const batch = noise.length / init.data.length;
  const data = noise.map((unit, i) => {
    const m = latentMask[i % latentMask.length] ?? 0;
    return (init.data[i % init.data.length] ?? 0) * (1 - m) + (fill === 'latentNoise' ? unit * m : 0);
  });
  return { shape: [batch, ...init.shape.slice(1)], data };
}

/** What an inpainting model is shown of the start. */
export interface InpaintSource {
  readonly picture: PixelImage;
  readonly mask: Mask;
  readonly round: boolean;
}

/**
 * The extra channels of a model trained to inpaint: its mask (1 = repaint) and the latent of the picture with grey in
 * place of what is repainted. Without a mask everything is repainted. U-Nets take one mask channel, the first pixel of
 * every cell, then the latent; FLUX.1 Fill takes the latent, then every pixel of the mask as a channel of its cell (row
 * by row).
 * Source: A1111 and Forge modules/processing.py, `inpainting_image_conditioning` (rounded mask, lerp to grey by the
 * weight, nearest neighbour); diffusers `pipelines/flux/pipeline_flux_fill.py`, `prepare_mask_latents`.
 * @param weight  share of the grey, 0..1 ("conditional mask weight")
 */
export async function inpaintInput(
  model: LoadedModel,
  source: InpaintSource | undefined,
  { widthPx, heightPx, weight }: { widthPx: number; heightPx: number; weight: number },
  options: { tiling: boolean; signal?: AbortSignal | undefined },
): Promise<HostArray> {
  const plane = widthPx * heightPx;
  const pixels: HostTensor = source
    ? pixelsToTensor(source.picture)
    : { shape: [1, 3, heightPx, widthPx], data: new Float32Array(3 * plane).fill(0.5) };
  const repaint = (i: number): number => {
    if (!source) return 1;
    const share = (source.mask.data[i % plane] ?? 0) / 255;
    return source.round ? Math.round(share) : share;
  };
  const data = Float32Array.from(pixels.data, (value, i) => value + weight * repaint(i) * (0.5 - value));
  const latent = await encodePixels(model, { shape: pixels.shape, data }, options);
  const [, channels = 0, height = 0, width = 0] = latent.shape;
  const stride = widthPx / width;
  const cells = height * width;
  const masked = model.detected.concatChannels - channels;
  const side = Math.round(Math.sqrt(masked));
  // Corner of each part of a cell: one part for a U-Net's mask, every pixel for Fill's.
  const inside = (at: number) => Math.floor((at * stride) / side);
  const mask = Float32Array.from({ length: masked * cells }, (_, i) => {
    const [part, cell] = [Math.floor(i / cells), i % cells];
    const x = (cell % width) * stride + inside(part % side);
    const y = Math.floor(cell / width) * stride + inside(Math.floor(part / side));
    return repaint(y * widthPx + x);
  });
  const [first, second] = masked === 1 ? [mask, latent.data] : [latent.data, mask];
  const joined = new Float32Array((masked + channels) * cells);
  joined.set(first);
  joined.set(second, first.length);
  return { shape: [1, masked + channels, height, width], data: joined };
}

/** The painted picture inside the original; bytes outside the mask are the original's. */
export function compose(prepared: PreparedMask, painted: PixelImage): PixelImage {
  const { box, original, overlay } = prepared;
  return pasteBack(original, resampleImage(painted, box.widthPx, box.heightPx), overlay, box);
}
