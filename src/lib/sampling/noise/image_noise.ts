/** The noise of a job: one generator per image, variation seeds, seed resize, ENSD, and ComfyUI's batch rule. */
import { AppError } from '../../base/errors';
import { TorchCpuNoise, type Seed } from './mt19937';
import { PhiloxNoise } from './philox';

/** `cpu`: torch's CPU stream. `nv`: CUDA's stream in software. */
export type NoiseKind = 'cpu' | 'nv';

export interface NoiseStream {
  /** `count` fresh float32 normals; each call continues the stream. */
  randn(count: number): Float32Array<ArrayBuffer>;
}

export function noiseStream(kind: NoiseKind, seed: Seed): NoiseStream {
  return kind === 'cpu' ? new TorchCpuNoise(seed) : new PhiloxNoise(seed);
}

/** Channels, height, width of one image's latent. */
export type LatentShape = readonly [channels: number, height: number, width: number];

export interface ImageNoiseOptions {
  readonly kind: NoiseKind;
  readonly shape: LatentShape;
  /** One seed per image. */
  readonly seeds: readonly Seed[];
  readonly subseeds?: readonly Seed[];
  /** Variation strength 0..1. */
  readonly subseedStrength?: number;
  /** Seed resize: pixel size the seed was made for; 0 = off. */
  readonly seedResizeHeight?: number;
  readonly seedResizeWidth?: number;
  /** Eta noise seed delta: after the first draw every generator restarts at seed + delta. */
  readonly ensd?: number;
  /** Pixels per latent element, for seed resize. Default 8. */
  readonly latentStride?: number;
}

/**
 * Noise of a batch, [N, C, H, W] flattened, image k drawn only from its own generator, so a batch equals single runs.
 * Source: the web UIs' rule for per-image generators (first draw with variation and resize, later draws plain).
 */
export class ImageNoise {
  readonly #options: ImageNoiseOptions;
  readonly #count: number;
  #streams: NoiseStream[];
  #first = true;

  /** @throws AppError 'argument/invalid' for a shape that is not positive or no seeds */
  constructor(options: ImageNoiseOptions) {
    this.#options = options;
    this.#count = options.shape.reduce((a, b) => a * b, 1);
    if (!options.shape.every((d) => Number.isInteger(d) && d > 0) || options.seeds.length === 0) {
      throw new AppError(
        'argument/invalid',
        `noise: needs a positive [C, H, W] shape and at least one seed, got [${options.shape.join(', ')}] and ${options.seeds.length} seeds.`,
      );
    }
    this.#streams = options.seeds.map((seed) => noiseStream(options.kind, seed));
  }

  /** The next draw of every image. The first one is the start noise. */
  next(): Float32Array<ArrayBuffer> {
    const images = this.#streams.map((stream, i) =>
      this.#first ? this.#startNoise(stream, i) : stream.randn(this.#count),
    );
    const { ensd = 0, seeds, kind } = this.#options;
    if (this.#first && ensd !== 0) this.#streams = seeds.map((seed) => noiseStream(kind, addSeed(seed, ensd)));
    this.#first = false;
    const out = new Float32Array(this.#count * images.length);
    images.forEach((image, i) => out.set(image, i * this.#count));
    return out;
  }

  #startNoise(stream: NoiseStream, i: number): Float32Array<ArrayBuffer> {
    const { shape, kind, seeds, subseeds, subseedStrength = 0, latentStride = 8 } = this.#options;
    const { seedResizeHeight = 0, seedResizeWidth = 0 } = this.#options;
    const resized = seedResizeHeight > 0 && seedResizeWidth > 0;
    const oldShape: LatentShape = resized
      ? [shape[0], Math.floor(seedResizeHeight / latentStride), Math.floor(seedResizeWidth / latentStride)]
      : shape;
    const sameShape = oldShape.every((d, axis) => d === shape[axis]);
    const oldCount = oldShape.reduce((a, b) => a * b, 1);
    const seed = seeds[i] ?? 0;
    let noise = sameShape ? stream.randn(oldCount) : noiseStream(kind, seed).randn(oldCount);
    if (subseeds !== undefined && subseedStrength !== 0) {
      const other = noiseStream(kind, subseeds[i] ?? 0).randn(oldCount);
      noise = slerp(subseedStrength, noise, other, oldShape);
    }
    return sameShape ? noise : pasteCentred(stream.randn(this.#count), shape, noise, oldShape);
  }
}

function addSeed(seed: Seed, delta: number): Seed {
  return typeof seed === 'bigint'
    ? seed + BigInt(delta)
    : Number.isSafeInteger(seed + delta)
      ? seed + delta
      : BigInt(seed) + BigInt(delta);
}

/**
 * Spherical interpolation as the web UIs do it: over axis 1 of [C, H, W], that is, per channel and column. When the
 * noises are nearly parallel they mix linearly with the ends swapped; kept because seeds made with it exist.
 */
export function slerp(
  t: number,
  low: Float32Array,
  high: Float32Array,
  [channels, height, width]: LatentShape,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(low.length);
  const omegas = new Float64Array(channels * width);
  let dotSum = 0;
  for (let c = 0; c < channels; c++) {
    for (let w = 0; w < width; w++) {
      let [ll, hh, lh] = [0, 0, 0];
      for (let h = 0; h < height; h++) {
        const i = (c * height + h) * width + w;
        const a = low[i] as number;
        const b = high[i] as number;
        ll += a * a;
        hh += b * b;
        lh += a * b;
      }
      const dot = lh / Math.sqrt(ll * hh);
      dotSum += dot;
      omegas[c * width + w] = Math.acos(dot);
    }
  }
  if (dotSum / omegas.length > 0.9995) return out.map((_, i) => (low[i] as number) * t + (high[i] as number) * (1 - t));
  for (let i = 0; i < out.length; i++) {
    const column = Math.floor(i / (height * width)) * width + (i % width);
    const omega = omegas[column] as number;
    out[i] =
      (Math.sin((1 - t) * omega) * (low[i] as number) + Math.sin(t * omega) * (high[i] as number)) / Math.sin(omega);
  }
  return out;
}

/** Old noise in the middle of fresh noise of the new size; parts that do not fit are cut off evenly. */
function pasteCentred(
  fresh: Float32Array<ArrayBuffer>,
  [channels, height, width]: LatentShape,
  old: Float32Array,
  [, oldHeight, oldWidth]: LatentShape,
): Float32Array<ArrayBuffer> {
  const dx = Math.floor((width - oldWidth) / 2);
  const dy = Math.floor((height - oldHeight) / 2);
  const w = dx >= 0 ? oldWidth : oldWidth + 2 * dx;
  const h = dy >= 0 ? oldHeight : oldHeight + 2 * dy;
  const [toX, toY, fromX, fromY] = [Math.max(dx, 0), Math.max(dy, 0), Math.max(-dx, 0), Math.max(-dy, 0)];
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        fresh[(c * height + toY + y) * width + toX + x] = old[
          (c * oldHeight + fromY + y) * oldWidth + fromX + x
        ] as number;
      }
    }
  }
  return fresh;
}

/** Seeds of a job: seed + i, fixed when a variation strength is set; the variation seed always counts up. */
export function seedTable(options: {
  readonly seed: number;
  readonly subseed: number;
  readonly subseedStrength: number;
  readonly count: number;
}): { readonly seeds: number[]; readonly subseeds: number[] } {
  const step = options.subseedStrength > 0 ? 0 : 1;
  return {
    seeds: Array.from({ length: options.count }, (_, i) => options.seed + i * step),
    subseeds: Array.from({ length: options.count }, (_, i) => options.subseed + i),
  };
}

/**
 * ComfyUI's start noise: one CPU generator for the whole batch, so image i is not seed + i.
 * @param batchIndex  draws to take, when images of a batch were picked; repeated entries share their noise
 */
export function comfyNoise(
  seed: Seed,
  [n, c, h, w]: readonly [number, number, number, number],
  batchIndex?: readonly number[],
): Float32Array<ArrayBuffer> {
  const stream = noiseStream('cpu', seed);
  if (batchIndex === undefined) return stream.randn(n * c * h * w);
  const each = c * h * w;
  const draws = Array.from({ length: Math.max(...batchIndex) + 1 }, () => stream.randn(each));
  const out = new Float32Array(batchIndex.length * each);
  batchIndex.forEach((index, i) => out.set(draws[index] ?? [], i * each));
  return out;
}
