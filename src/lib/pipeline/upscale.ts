/** Enlarging: latents by interpolation, pictures by filters or by an upscaler network in tiles. */
import type { HostTensor } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import type { ModelPart } from '../models/part';
import { buildRrdb, rrdbScale, type RrdbConfig } from '../models/upscaler/rrdb';
import { buildSrvgg, type SrvggConfig } from '../models/upscaler/srvgg';
import type { PixelImage } from '../rpc/engine';
import { LATENT_UPSCALERS, resample, type LatentUpscaler, type ResampleMode } from '../sampling/img2img/resample';
import type { LoadedModel } from './loaded_model';
import { cropImage } from './mask_image';
import { pixelsToTensor, tensorToPixels } from './pixels';
import { resampleImage } from './resample';

/** Pixel upscalers that need no model, by the web UIs' labels. */
export const PIXEL_UPSCALERS = {
  None: 'nearest-exact',
  Nearest: 'nearest-exact',
  Bicubic: 'bicubic-antialias',
  Lanczos: 'lanczos',
} as const satisfies Readonly<Record<string, ResampleMode>>;

/** An upscaler network; null when the host knows none of that name. */
export type LoadUpscaler = (id: string) => Promise<ModelPart | undefined>;

export type Upscaler =
  | { readonly kind: 'latent'; readonly mode: ResampleMode }
  | { readonly kind: 'pixel'; readonly mode: ResampleMode }
  | { readonly kind: 'model'; readonly part: ModelPart };

/** @throws AppError 'argument/invalid' for a name that is neither built in nor known to the host */
export async function findUpscaler(name: string, load: LoadUpscaler | undefined): Promise<Upscaler> {
  if (Object.hasOwn(LATENT_UPSCALERS, name)) {
    return { kind: 'latent', mode: LATENT_UPSCALERS[name as LatentUpscaler] };
  }
  if (Object.hasOwn(PIXEL_UPSCALERS, name)) {
    return { kind: 'pixel', mode: PIXEL_UPSCALERS[name as keyof typeof PIXEL_UPSCALERS] };
  }
  const part = await load?.(name);
  if (part) return { kind: 'model', part };
  const known = [...Object.keys(LATENT_UPSCALERS), ...Object.keys(PIXEL_UPSCALERS)].join(', ');
  throw new AppError('argument/invalid', `upscaler: must be one of ${known} or an upscaler model, got "${name}".`, {
    details: { upscaler: name },
  });
}

export interface LatentTarget {
  readonly height: number;
  readonly width: number;
  /** Cut off centred afterwards, latent cells. */
  readonly truncateX: number;
  readonly truncateY: number;
}

/** Latents `[N, C, h, w]` at another size. */
export function upscaleLatents(latents: HostTensor, target: LatentTarget, mode: ResampleMode): HostTensor {
  const [batch = 1, channels = 0, height = 0, width = 0] = latents.shape;
  const data = Float32Array.from(resample(latents.data, { height, width }, target, mode));
  return truncateLatents({ shape: [batch, channels, target.height, target.width], data }, target);
}

/** Cuts `truncate…` cells off, the odd one at the end. */
export function truncateLatents(
  latents: HostTensor,
  { truncateX, truncateY }: Pick<LatentTarget, 'truncateX' | 'truncateY'>,
): HostTensor {
  if (truncateX === 0 && truncateY === 0) return latents;
  const [batch = 1, channels = 0, height = 0, width = 0] = latents.shape;
  const [left, top] = [Math.floor(truncateX / 2), Math.floor(truncateY / 2)];
  const [w, h] = [width - truncateX, height - truncateY];
  const data = new Float32Array(batch * channels * h * w);
  for (let p = 0; p < batch * channels; p++) {
    for (let y = 0; y < h; y++) {
      const from = (p * height + top + y) * width + left;
      data.set(latents.data.subarray(from, from + w), (p * h + y) * w);
    }
  }
  return { shape: [batch, channels, h, w], data };
}

/** Tile and overlap of upscaler networks, as the web UIs' defaults. */
const TILE_PX = 192;
const OVERLAP_PX = 8;

/**
 * A picture through an upscaler network, tile by tile; neighbours overlap and each gives its own middle.
 * @returns the picture at the network's own scale
 */
export async function runUpscaler(
  model: LoadedModel,
  part: ModelPart,
  image: PixelImage,
  signal: AbortSignal | undefined,
): Promise<PixelImage> {
  const { scale, fold } = scaleOf(part);
  const { widthPx, heightPx } = image;
  const out = new Uint8ClampedArray(4 * widthPx * heightPx * scale * scale);
  for (const row of spans(heightPx, fold)) {
    for (const column of spans(widthPx, fold)) {
      throwIfAborted(signal);
      const tile = cropImage(image, {
        leftPx: column.start,
        topPx: row.start,
        widthPx: column.length,
        heightPx: row.length,
      });
      const large = await model.withRoom('upscaler', () => runTile(model, part, tile, signal));
      copyMiddle(large, { widthPx: widthPx * scale, rgba: out }, row, column, scale);
    }
  }
  return { widthPx: widthPx * scale, heightPx: heightPx * scale, rgba: out };
}

interface Span {
  readonly start: number;
  readonly length: number;
  /** The part of the result that this tile gives, in picture coordinates. */
  readonly from: number;
  readonly to: number;
}

/** Tiles of one axis. A picture smaller than a tile is one tile. */
function spans(length: number, fold: number): Span[] {
  if (length % fold !== 0) {
    throw new AppError('image/invalid', `upscaler: sides must be multiples of ${fold} pixels, got ${length}.`);
  }
  if (length <= TILE_PX) return [{ start: 0, length, from: 0, to: length }];
  const result: Span[] = [];
  const step = TILE_PX - 2 * OVERLAP_PX;
  for (let from = 0; from < length; from += step) {
    const to = Math.min(from + step, length);
    const start = Math.min(Math.max(0, from - OVERLAP_PX), length - TILE_PX);
    result.push({ start: start - (start % fold), length: TILE_PX, from, to });
  }
  return result;
}

function copyMiddle(
  tile: PixelImage,
  out: { widthPx: number; rgba: Uint8ClampedArray },
  row: Span,
  column: Span,
  scale: number,
): void {
  const width = (column.to - column.from) * scale;
  for (let y = row.from * scale; y < row.to * scale; y++) {
    const from = 4 * ((y - row.start * scale) * tile.widthPx + (column.from - column.start) * scale);
    out.rgba.set(tile.rgba.subarray(from, from + 4 * width), 4 * (y * out.widthPx + column.from * scale));
  }
}

function scaleOf(part: ModelPart): { scale: number; fold: number } {
  if (part.architecture === 'rrdb') {
    const config = part.config as RrdbConfig;
    return { scale: rrdbScale(config), fold: config.fold };
  }
  if (part.architecture === 'srvgg') return { scale: (part.config as SrvggConfig).scale, fold: 1 };
  throw new AppError(
    'model/unsupported',
    `${part.file}: is no upscaler that can be run (architecture ${part.architecture}); choose an ESRGAN or SRVGG file.`,
    { details: { architecture: part.architecture } },
  );
}

async function runTile(
  model: LoadedModel,
  part: ModelPart,
  tile: PixelImage,
  signal: AbortSignal | undefined,
): Promise<PixelImage> {
  const spec = { batch: 1, height: tile.heightPx, width: tile.widthPx };
  const { backend } = model;
  const compiled = await model.program('upscaler', JSON.stringify({ file: part.file, ...spec }), () =>
    part.architecture === 'rrdb'
      ? buildRrdb(part as ModelPart<RrdbConfig>, spec)
      : buildSrvgg(part as ModelPart<SrvggConfig>, spec),
  );
  const image = backend.upload(pixelsToTensor(tile));
  try {
    const { pixels } = await compiled.run({ image }, signal ? { signal } : {});
    if (!pixels) throw new AppError('backend/run', `${compiled.graph.name}: gave no output.`);
    try {
      return tensorToPixels(await backend.download(pixels));
    } finally {
      pixels.dispose();
    }
  } finally {
    image.dispose();
  }
}

/** A picture at a target size by any pixel upscaler; networks are followed by Lanczos when their scale is another. */
export async function upscalePicture(
  model: LoadedModel,
  upscaler: Exclude<Upscaler, { kind: 'latent' }>,
  image: PixelImage,
  target: { widthPx: number; heightPx: number; signal?: AbortSignal | undefined },
): Promise<PixelImage> {
  const { widthPx, heightPx, signal } = target;
  if (upscaler.kind === 'pixel') return resampleImage(image, widthPx, heightPx, upscaler.mode);
  return resampleImage(await runUpscaler(model, upscaler.part, image, signal), widthPx, heightPx);
}
