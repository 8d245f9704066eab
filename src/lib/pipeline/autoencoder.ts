/** Latents ⇄ pictures through the model's autoencoder, one picture at a time; in tiles where the whole does not fit. */
import type { Backend, DeviceTensor, HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { PixelImage } from '../rpc/engine';
import type { LoadedModel } from './loaded_model';
import { brokenPixel, downloadPicture, pixelsToTensor, tensorToPixels } from './pixels';
import {
  tiledGraphs,
  buildVae,
  runTiledVae,
  tiledVae,
  TILE_SIDES_PX,
  withOutputs,
  type TiledVae,
  type VaeSide,
  type VaeSize,
} from './tiled_vae';

/**
 * One latent `[1, C, h, w]` on the denoiser's side as a picture.
 * @throws AppError 'job/non-finite' when the latent or the picture holds NaN: a black picture would hide it
 */
export async function decodeLatent(
  model: LoadedModel,
  latent: HostTensor,
  options: { tiling: boolean; signal?: AbortSignal | undefined },
): Promise<PixelImage> {
  assertFinite(latent, 'the latent');
  const [, , height = 0, width = 0] = latent.shape;
  const size = { height, width, circular: options.tiling };
  const picture = await runVae(model, 'decoder', { size, input: latent, read: PICTURE }, options.signal);
  const place = brokenPixel(picture);
  if (place >= 0) throw nonFinite('the picture', place);
  return picture;
}

function assertFinite({ data }: HostTensor, what: string): void {
  const place = data.findIndex((value: number) => !Number.isFinite(value));
  if (place >= 0) throw nonFinite(what, place);
}

function nonFinite(what: string, place: number): AppError {
  return new AppError(
    'job/non-finite',
    `decode: ${what} holds values that are not finite; try another sampler, a lower guidance scale or the WebAssembly backend (full f32), and get the model's file again when every picture fails.`,
    { details: { what, place } },
  );
}

export interface EncodeImageOptions {
  readonly tiling: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A picture, already at the wanted size, as a latent `[1, C, h, w]` on the denoiser's side. */
export function encodeImage(model: LoadedModel, image: PixelImage, options: EncodeImageOptions): Promise<HostTensor> {
  return encode(model, image, image, options);
}

/**
 * Pixels `[1, 3, H, W]` in 0..1 as a latent.
 * @throws AppError 'image/invalid' when a side is no multiple of the latent's stride
 */
export function encodePixels(model: LoadedModel, pixels: HostTensor, options: EncodeImageOptions): Promise<HostTensor> {
  const [, , heightPx = 0, widthPx = 0] = pixels.shape;
  return encode(model, pixels, { heightPx, widthPx }, options);
}

function encode(
  model: LoadedModel,
  input: HostTensor | PixelImage,
  { heightPx, widthPx }: { readonly heightPx: number; readonly widthPx: number },
  options: EncodeImageOptions,
): Promise<HostTensor> {
  const { stride } = model.detected.latent;
  if (heightPx % stride !== 0 || widthPx % stride !== 0) {
    throw new AppError(
      'image/invalid',
      `encode: sides must be multiples of ${stride} pixels, got ${widthPx}x${heightPx}; choose another size.`,
      { details: { widthPx, heightPx, stride } },
    );
  }
  const size = { height: heightPx / stride, width: widthPx / stride, circular: options.tiling };
  return runVae(model, 'encoder', { size, input, read: TENSOR }, options.signal);
}

/** How an autoencoder runs: whole, or in tiles of a side. */
type VaeWay = { readonly kind: 'whole' } | { readonly kind: 'tiles'; readonly vae: TiledVae };

/** How a result leaves the device, and whether all of it are numbers. */
interface ResultKind<T> {
  download(backend: Backend, tensor: DeviceTensor): Promise<T>;
  fromHost(tensor: HostTensor): T;
  isFinite(result: T): boolean;
}

const TENSOR: ResultKind<HostTensor> = {
  download: (backend, tensor) => backend.download(tensor),
  fromHost: (tensor) => tensor,
  isFinite: ({ data }) => data.every((value: number) => Number.isFinite(value)),
};

const PICTURE: ResultKind<PixelImage> = {
  download: downloadPicture,
  fromHost: (tensor) => tensorToPixels(tensor),
  isFinite: (image) => brokenPixel(image) < 0,
};

interface VaeRun<T> {
  readonly size: VaeSize;
  readonly input: HostTensor | PixelImage;
  readonly read: ResultKind<T>;
}

/** Values beyond half precision are computed again in f32, and so is the rest of the job. */
async function runVae<T>(
  model: LoadedModel,
  side: VaeSide,
  run: VaeRun<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const result = await runOnce(model, side, run, signal);
  const repeats = model.vaePrecision === 'auto' && model.backend.roundsToHalf === true;
  if (!repeats || run.read.isFinite(result)) return result;
  model.vaePrecision = 'f32';
  model.residency.onMeasure?.(`${side}: values left the range of half precision; repeated in f32`);
  return runOnce(model, side, run, signal);
}

function runOnce<T>(
  model: LoadedModel,
  side: VaeSide,
  { size, input, read }: VaeRun<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return model.withRoom(side, async () => {
    const way = chooseWay(model, side, size);
    if (way.kind === 'tiles') {
      // Tiles are cut and joined on the host, as floats.
      const tensor = 'rgba' in input ? pixelsToTensor(input) : input;
      return read.fromHost(await runTiledVae(model, way.vae, tensor, signal));
    }
    const key = JSON.stringify(size) + model.vaeKey;
    // Program and graph go together: nothing is built when the program is still there.
    const what = { component: side, key, build: () => buildVae(model.detected, side, size) };
    return withOutputs(model, what, input, signal, (outputs) => {
      const result = Object.values(outputs)[0];
      if (!result) throw new AppError('backend/run', `autoencoder: the ${side} gave no output.`);
      return read.download(model.backend, result);
    });
  });
}

/** Choices made for a model, by everything that they depend on. */
const chosen = new WeakMap<LoadedModel, Map<string, VaeWay>>();

/**
 * Whole where that fits beside the denoiser, which the next picture needs; else in tiles; and only if those do not fit
 * either without the denoiser.
 */
function chooseWay(model: LoadedModel, side: VaeSide, size: VaeSize): VaeWay {
  const denoisers = model.components.filter((name) => name.startsWith('denoiser'));
  const key = JSON.stringify([side, size, model.vaeKey, model.tiledVae, model.residency.limitBytes, denoisers]);
  const choices = chosen.get(model) ?? new Map<string, VaeWay>();
  chosen.set(model, choices);
  const known = choices.get(key);
  if (known) return known;
  const way = firstThatFits(model, side, size, denoisers);
  choices.set(key, way);
  if (way.kind === 'tiles')
    model.residency.onMeasure?.(`${side}: in tiles of ${way.vae.tileWidth * way.vae.stride} pixels`);
  return way;
}

function firstThatFits(model: LoadedModel, side: VaeSide, size: VaeSize, keep: readonly string[]): VaeWay {
  const { tiledVae: wanted } = model;
  const whole: VaeWay = { kind: 'whole' };
  const fits = (way: VaeWay, staying: readonly string[]) =>
    way.kind === 'whole'
      ? model.hasRoom(() => buildVae(model.detected, side, size), { keep: staying })
      : tiledGraphs(way.vae).every((built) => model.hasRoom(() => built, { keep: staying }));
  if (wanted === 'never' || (wanted === 'auto' && fits(whole, keep))) return whole;
  const ways = tileWays(model, side, size);
  const [first] = ways;
  if (!first) return whole;
  const all = wanted === 'auto' ? [whole, ...ways] : ways;
  return ways.find((way) => fits(way, keep)) ?? all.find((way) => fits(way, [])) ?? ways.at(-1) ?? first;
}

/** Tiles smaller than the picture, larger ones first; none where the network cannot be cut. */
function tileWays(model: LoadedModel, side: VaeSide, size: VaeSize): VaeWay[] {
  const { stride } = model.detected.latent;
  const largest = stride * Math.max(size.height, size.width);
  return TILE_SIDES_PX.filter((tilePx) => tilePx < largest).flatMap((tilePx): VaeWay[] => {
    try {
      return [{ kind: 'tiles', vae: tiledVae(model.detected, side, size, tilePx) }];
    } catch (error) {
      if (error instanceof AppError) return [];
      throw error;
    }
  });
}
