/** All randomness of one sampling run, from the seeds of its pictures. */
import type { GenerateRequest } from '../rpc/engine';
import { BrownianNoise } from '../sampling/noise/brownian';
import { ImageNoise, seedTable, type LatentShape } from '../sampling/noise/image_noise';
import type { SamplerDef, SigmaRange } from '../sampling/sampler';

export interface NoiseRequest {
  readonly request: GenerateRequest;
  /** Seed of the job's first picture. */
  readonly seed: number;
  readonly batch: number;
  readonly shape: LatentShape;
  readonly latentStride: number;
  readonly sampler: SamplerDef;
}

/** Seeds of one batch. A variation keeps the seed for the whole job and counts its own seed up. */
export function batchSeeds(
  { variation, batchSize }: GenerateRequest,
  seed: number,
  batch: number,
): { readonly seeds: number[]; readonly subseeds: number[] } {
  const strength = variation?.strength ?? 0;
  return seedTable({
    seed: seed + (strength > 0 ? 0 : batch * batchSize),
    subseed: (variation?.seed ?? 0) + batch * batchSize,
    subseedStrength: strength,
    count: batchSize,
  });
}

export class JobNoise {
  readonly #images: ImageNoise;
  readonly #options: NoiseRequest;
  readonly #seeds: readonly number[];
  #brownian: BrownianNoise | undefined;
  #mask: ImageNoise | undefined;

  constructor(options: NoiseRequest) {
    const { request, shape, latentStride, sampler } = options;
    const { seeds, subseeds } = batchSeeds(request, options.seed, options.batch);
    this.#options = options;
    this.#seeds = seeds;
    this.#images = new ImageNoise({
      kind: this.#kind,
      shape,
      seeds,
      ...(request.variation ? { subseeds, subseedStrength: request.variation.strength } : {}),
      ...(request.seedResize
        ? { seedResizeWidth: request.seedResize.widthPx, seedResizeHeight: request.seedResize.heightPx }
        : {}),
      ...(sampler.usesEnsd === true && request.ensd ? { ensd: request.ensd } : {}),
      latentStride,
    });
  }

  get #kind(): 'cpu' | 'nv' {
    return this.#options.request.noiseSource === 'CPU' ? 'cpu' : 'nv';
  }

  /** Start noise first, then noise of ancestral steps. */
  next(): Float32Array<ArrayBuffer> {
    return this.#images.next();
  }

  /** Noise of the interval of a step; Brownian samplers get a path whose overlapping intervals agree. */
  between(sigma: number, sigmaNext: number, range: SigmaRange): Float32Array<ArrayBuffer> {
    if (this.#options.sampler.brownian !== true) return this.next();
    const count = this.#options.shape.reduce((a, b) => a * b, 1);
    this.#brownian ??= new BrownianNoise({ kind: this.#kind, seeds: this.#seeds, count, ...range });
    return this.#brownian.between(sigma, sigmaNext);
  }

  /** Fresh noise of inpainting's kept area, from streams of its own: it does not move the pictures' other draws. */
  forMask(): Float32Array<ArrayBuffer> {
    this.#mask ??= new ImageNoise({
      kind: this.#kind,
      shape: this.#options.shape,
      // Forge's rule for its global generator, per picture.
      seeds: this.#seeds.map((seed) => (seed + 100_000) % 65_536),
      latentStride: this.#options.latentStride,
    });
    return this.#mask.next();
  }
}
