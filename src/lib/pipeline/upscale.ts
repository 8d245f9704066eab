/** Enlarging: latents by interpolation, pictures by filters or by an upscaler network in tiles. */
import type { Backend, DeviceTensor, HostTensor, Program } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import type { BuiltGraph, ModelPart } from '../models/part';
import { buildAnime4k, type Anime4kConfig } from '../models/upscaler/anime4k';
import { buildRrdb, rrdbScale, type RrdbConfig } from '../models/upscaler/rrdb';
import { buildSrvgg, type SrvggConfig } from '../models/upscaler/srvgg';
import type { PixelImage } from '../rpc/engine';
import { resample, type ResampleMode } from '../sampling/img2img/resample';
import { cropImage } from './mask_image';
import { downloadPicture, pixelsToTensor, uploadPicture } from './pixels';
import { resampleImage } from './resample';
import type { Upscaler } from './upscalers';

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

/** What runs an upscaler's network: an open model, or a backend alone. */
export interface UpscaleRunner {
  readonly backend: Backend;
  /** One program per component is kept. */
  program(component: string, key: string, build: () => BuiltGraph): Promise<Program>;
  /** Runs work that may need more memory than is free. */
  withRoom<T>(component: string, work: () => Promise<T>): Promise<T>;
}

/** A backend without a model: one program at a time. */
export class BackendRunner implements UpscaleRunner {
  readonly backend: Backend;
  #held: { readonly key: string; readonly program: Program } | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  async program(component: string, specKey: string, build: () => BuiltGraph): Promise<Program> {
    const key = `${component} ${specKey}`;
    if (this.#held?.key === key) return this.#held.program;
    await this.dispose();
    const { graph, weights } = build();
    const program = await this.backend.compile(graph, weights);
    this.#held = { key, program };
    return program;
  }

  withRoom<T>(_component: string, work: () => Promise<T>): Promise<T> {
    return work();
  }

  async dispose(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await held?.program.dispose();
  }
}

/** Tile and overlap of upscaler networks, as the web UIs' defaults. */
const TILE_PX = 192;
const OVERLAP_PX = 8;

/**
 * A picture through an upscaler network, tile by tile; neighbours overlap and each gives its own middle.
 * @returns the picture at the network's own scale
 */
export async function runUpscaler(
  model: UpscaleRunner,
  part: ModelPart,
  image: PixelImage,
  signal: AbortSignal | undefined,
): Promise<PixelImage> {
  const { scale, fold } = scaleOf(part);
  const padded = withWholeSides(image, fold);
  if (padded !== image) {
    const large = await runUpscaler(model, part, padded, signal);
    const box = { leftPx: 0, topPx: 0, widthPx: image.widthPx * scale, heightPx: image.heightPx * scale };
    return cropImage(large, box);
  }
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

/** Sides rounded up to a multiple, the last pixels repeated; the same object where they are one. */
function withWholeSides(image: PixelImage, fold: number): PixelImage {
  const [widthPx, heightPx] = [image.widthPx, image.heightPx].map((px) => Math.ceil(px / fold) * fold);
  if (!widthPx || !heightPx || (widthPx === image.widthPx && heightPx === image.heightPx)) return image;
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      const from = 4 * (Math.min(y, image.heightPx - 1) * image.widthPx + Math.min(x, image.widthPx - 1));
      rgba.set(image.rgba.subarray(from, from + 4), 4 * (y * widthPx + x));
    }
  }
  return { widthPx, heightPx, rgba };
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
  if (part.architecture === 'anime4k') return { scale: (part.config as Anime4kConfig).scale, fold: 1 };
  throw new AppError(
    'model/unsupported',
    `${part.file}: is no upscaler that can be run (architecture ${part.architecture}); choose an ESRGAN or SRVGG file.`,
    { details: { architecture: part.architecture } },
  );
}

async function runTile(
  model: UpscaleRunner,
  part: ModelPart,
  tile: PixelImage,
  signal: AbortSignal | undefined,
): Promise<PixelImage> {
  const spec = { batch: 1, height: tile.heightPx, width: tile.widthPx };
  const { backend } = model;
  const compiled = await model.program('upscaler', JSON.stringify({ file: part.file, ...spec }), () =>
    buildNetwork(part, spec),
  );
  const inputs: Record<string, DeviceTensor> = { image: await uploadPicture(backend, tile) };
  if (compiled.graph.inputs.has('base')) {
    const { scale } = scaleOf(part);
    const [from, to] = [
      { height: tile.heightPx, width: tile.widthPx },
      { height: scale * tile.heightPx, width: scale * tile.widthPx },
    ];
    const data = Float32Array.from(resample(pixelsToTensor(tile).data, from, to, 'bilinear'));
    inputs['base'] = backend.upload({ shape: [1, 3, to.height, to.width], data });
  }
  try {
    const { pixels } = await compiled.run(inputs, signal ? { signal } : {});
    if (!pixels) throw new AppError('backend/run', `${compiled.graph.name}: gave no output.`);
    try {
      return await downloadPicture(backend, pixels);
    } finally {
      pixels.dispose();
    }
  } finally {
    for (const tensor of Object.values(inputs)) tensor.dispose();
  }
}

function buildNetwork(part: ModelPart, spec: { batch: number; height: number; width: number }): BuiltGraph {
  switch (part.architecture) {
    case 'rrdb':
      return buildRrdb(part as ModelPart<RrdbConfig>, spec);
    case 'anime4k':
      return buildAnime4k(part as ModelPart<Anime4kConfig>, spec);
    default:
      return buildSrvgg(part as ModelPart<SrvggConfig>, spec);
  }
}

/** A picture at a target size by any pixel upscaler; networks are followed by Lanczos when their scale is another. */
export async function upscalePicture(
  model: UpscaleRunner,
  upscaler: Exclude<Upscaler, { kind: 'latent' }>,
  image: PixelImage,
  target: { widthPx: number; heightPx: number; signal?: AbortSignal | undefined },
): Promise<PixelImage> {
  const { widthPx, heightPx, signal } = target;
  if (upscaler.kind === 'pixel') return resampleImage(image, widthPx, heightPx, upscaler.mode);
  return resampleImage(await runUpscaler(model, upscaler.part, image, signal), widthPx, heightPx);
}
