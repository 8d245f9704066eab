/** The start picture of img2img and inpainting, made ready once for a job. */
import type { HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { HookRunner } from '../extensions/api';
import type { HostArray } from '../models/family';
import type { GenerateRequest, PixelImage } from '../rpc/engine';
import { encodeImage } from './autoencoder';
import { fitImage } from './fit_image';
import { encodeMask, inpaintInput, prepareMask, rounds, type EncodedMask, type PreparedMask } from './inpaint';
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
  // A control picture (edges, depth) is read beside the latent; drawing over it would keep its lines.
  const strength = takesControlPicture(model) ? 1 : init.strength;
  const plain = { strength, exact: init.exactSteps === true };
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
  { signal, hires }: { signal: AbortSignal | undefined; hires: boolean },
): Promise<Record<string, HostArray>> {
  const { inputs, defaults } = model.detected;
  const extra: Record<string, HostArray> = {};
  if (inputs.includes('guidance')) {
    const second = hires ? request.modelOptions?.hiresDistilledGuidance : undefined;
    const guidance = second ?? request.distilledGuidance ?? defaults.distilledGuidance ?? 3.5;
    extra['guidance'] = { shape: [1], data: Float32Array.of(guidance) };
  }
  if (inputs.includes('inpaint')) {
    const options = { tiling: request.tiling === true, signal };
    const { inpaint } = request.init ?? {};
    const { prepared, encoded } = start?.inpaint ?? {};
    const source = inpaint &&
      prepared &&
      encoded && { picture: encoded.picture, mask: prepared.mask, round: rounds(inpaint) };
    const weight = inpaint?.conditioningWeight ?? 1;
    extra['inpaint'] = await inpaintInput(model, source, { ...size, weight }, options);
  }
  if (inputs.includes('concat')) extra['concat'] = await pictureInput(model, request, size, signal);
  return extra;
}

/** FLUX.1 Canny and Depth. */
function takesControlPicture({ detected }: LoadedModel): boolean {
  return detected.inputs.includes('concat') && detected.denoiser.architecture !== 'unet';
}

/**
 * Latent of the start picture: without its scale, as instruct-pix2pix reads it, or as it is for FLUX.1 Canny and Depth.
 * Source: Brooks et al. 2023; diffusers `pipelines/stable_diffusion/pipeline_stable_diffusion_instruct_pix2pix.py`,
 * `pipelines/flux/pipeline_flux_control.py`.
 * @throws AppError 'argument/invalid' without a start picture, 'model/unsupported' for networks that take something else
 */
async function pictureInput(
  model: LoadedModel,
  { init, tiling }: GenerateRequest,
  { widthPx, heightPx }: { widthPx: number; heightPx: number },
  signal: AbortSignal | undefined,
): Promise<HostArray> {
  const { concatChannels, latent, label } = model.detected;
  if (concatChannels !== latent.channels) {
    throw new AppError(
      'model/unsupported',
      `${label}: its network takes ${concatChannels} channels beside the latent, only a picture's ${latent.channels} can be given here; choose another model.`,
      { details: { channels: concatChannels } },
    );
  }
  if (!init) {
    throw new AppError('argument/invalid', `${label}: draws after a picture and the prompt; give it a start picture.`, {
      details: { field: 'init' },
    });
  }
  const mode = init.resizeMode === 'latent' ? 'just' : init.resizeMode;
  const fitted = fitImage(init.image, widthPx, heightPx, mode);
  const { shape, data } = await encodeImage(model, fitted, { tiling: tiling === true, signal });
  if (takesControlPicture(model)) return { shape, data: Float32Array.from(data) };
  return { shape, data: Float32Array.from(data, (value) => value / latent.scale + latent.shift) };
}
