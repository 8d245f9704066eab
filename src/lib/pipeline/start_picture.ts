/** The start picture of img2img and inpainting, made ready once for a job. */
import type { HostTensor } from '../backends/backend';
import type { HookRunner } from '../extensions/api';
import type { HostArray } from '../models/family';
import type { GenerateRequest, PixelImage } from '../rpc/engine';
import { encodeImage } from './autoencoder';
import { fitImage } from './fit_image';
import { encodeMask, inpaintInput, prepareMask, type EncodedMask, type PreparedMask } from './inpaint';
import type { LoadedModel } from './loaded_model';
import { maskPicture, readMask } from './mask_image';
import { upscaleLatents } from './upscale';

export interface StartPicture {
  /** Clean latents `[1, C, h, w]`. */
  readonly latents: HostTensor;
  /** What was encoded: the user's picture at the job's size. */
  readonly picture: PixelImage;
  readonly strength: number;
  readonly exact: boolean;
  readonly inpaint?: { readonly prepared: PreparedMask; readonly encoded: EncodedMask };
}

interface Options {
  readonly request: GenerateRequest;
  readonly hooks: HookRunner;
  readonly signal: AbortSignal | undefined;
  readonly onNotice: (message: string) => void;
}

/** Undefined without a start picture. @throws AppError 'image/invalid', 'argument/invalid' */
export async function prepareStart(model: LoadedModel, options: Options): Promise<StartPicture | undefined> {
  const { request, hooks, signal } = options;
  const { init, widthPx, heightPx } = request;
  if (!init) return undefined;
  const encoding = { tiling: request.tiling === true, signal };
  const plain = { strength: init.strength, exact: init.exactSteps === true };
  if (init.inpaint) {
    const found = prepareMask(init, init.inpaint, { widthPx, heightPx });
    if (found) {
      const told = await hooks.emit('beforeInitImages', { crop: found.box, mask: maskPicture(found.mask) });
      const prepared = { ...found, mask: readMask(told.mask, false) };
      const encoded = await encodeMask(model, prepared, init.inpaint, encoding);
      return { ...plain, latents: encoded.init, picture: prepared.picture, inpaint: { prepared, encoded } };
    }
    options.onNotice('The mask is empty: the whole picture is redrawn.');
  }
  if (init.resizeMode === 'latent') {
    return { ...plain, latents: await resizedLatents(model, request, encoding), picture: init.image };
  }
  const picture = fitImage(init.image, widthPx, heightPx, init.resizeMode);
  return { ...plain, latents: await encodeImage(model, picture, encoding), picture };
}

/** Encoded at its own size (rounded to what the model takes), then interpolated as a latent. */
async function resizedLatents(
  model: LoadedModel,
  { init, widthPx, heightPx }: GenerateRequest,
  encoding: { tiling: boolean; signal: AbortSignal | undefined },
): Promise<HostTensor> {
  const { multiple, stride } = model.detected.latent;
  const round = (px: number): number => Math.max(multiple, Math.round(px / multiple) * multiple);
  const image = init?.image ?? { widthPx: 0, heightPx: 0, rgba: new Uint8ClampedArray(0) };
  const fitted = fitImage(image, round(image.widthPx), round(image.heightPx), 'just');
  const target = { height: heightPx / stride, width: widthPx / stride, truncateX: 0, truncateY: 0 };
  return upscaleLatents(await encodeImage(model, fitted, encoding), target, 'bilinear');
}

/** Inputs beyond x, time and prompt: distilled guidance, and mask and picture of inpainting models. */
export async function extraInputs(
  model: LoadedModel,
  request: GenerateRequest,
  size: { widthPx: number; heightPx: number },
  start: StartPicture | undefined,
  signal: AbortSignal | undefined,
): Promise<Record<string, HostArray>> {
  const { inputs, defaults } = model.detected;
  const extra: Record<string, HostArray> = {};
  if (inputs.includes('guidance')) {
    const guidance = request.distilledGuidance ?? defaults.distilledGuidance ?? 3.5;
    extra['guidance'] = { shape: [1], data: Float32Array.of(guidance) };
  }
  if (inputs.includes('inpaint')) {
    const options = { tiling: request.tiling === true, signal };
    const weight = request.init?.inpaint?.conditioningWeight ?? 1;
    extra['inpaint'] = await inpaintInput(model, start?.inpaint?.prepared, { ...size, weight }, options);
  }
  return extra;
}
