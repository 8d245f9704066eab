/** Latents as typed arrays: the backend of tests (Float64Array) and of the WASM path (Float32Array). */
import { AppError } from '../base/errors';
import type { LatentOps } from './context';
import type { ScaledError, Term } from './sampler';

interface NumberArray {
  readonly length: number;
  [index: number]: number;
}

function arrayOps<A extends NumberArray>(create: (length: number) => A, poisonReleased: boolean): LatentOps<A> {
  return {
    lincomb(terms) {
      const length = sameLength(terms);
      const out = create(length);
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (const [c, latent] of terms) sum += c * (latent[i] as number);
        out[i] = sum;
      }
      return out;
    },
    scaledError(error) {
      return Promise.resolve(scaledError(error));
    },
    isFinite(latent) {
      for (let i = 0; i < latent.length; i++) if (!Number.isFinite(latent[i])) return false;
      return true;
    },
    release(latents) {
      if (!poisonReleased) return;
      for (const latent of latents) for (let i = 0; i < latent.length; i++) latent[i] = NaN;
    },
  };
}

function sameLength<A extends NumberArray>(terms: readonly Term<A>[]): number {
  const length = terms[0]?.[1].length ?? 0;
  const other = terms.find(([, latent]) => latent.length !== length);
  if (other !== undefined) {
    throw new AppError(
      'argument/invalid',
      `lincomb: all latents must have the same number of elements, got ${length} and ${other[1].length}.`,
    );
  }
  return length;
}

function scaledError<A extends NumberArray>({ a, b, reference, atol, rtol }: ScaledError<A>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const ai = a[i] as number;
    const scale = Math.max(atol, rtol * Math.max(Math.abs(ai), Math.abs(reference[i] as number)));
    sum += ((ai - (b[i] as number)) / scale) ** 2;
  }
  return Math.sqrt(sum / a.length);
}

export interface ArrayLatentsOptions {
  /** Tests only: overwrite released latents with NaN, so that a sampler that forgot to keep one is found. */
  readonly poisonReleased?: boolean;
}

/** Latents as Float32Array; sums are accumulated in float64 and rounded once. */
export function float32Latents(options: ArrayLatentsOptions = {}): LatentOps<Float32Array> {
  return arrayOps((length) => new Float32Array(length), options.poisonReleased ?? false);
}

/** Latents as Float64Array, for tests and measurements. */
export function float64Latents(options: ArrayLatentsOptions = {}): LatentOps<Float64Array> {
  return arrayOps((length) => new Float64Array(length), options.poisonReleased ?? false);
}
