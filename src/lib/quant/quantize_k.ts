/**
 * f32 to Q4_K after ggml's reference: per 32 values a scale and a minimum by weighted least squares over 21 trial
 * grids, then both quantised to six bits. Source: ggml (MIT), ggml-quants.c, quantize_row_q4_K_ref, make_qkx2_quants.
 * Sums are rounded to f32 at each step: byte-exact with a build of the reference that does not fuse multiply and add.
 */
import { f16ToF32, f32ToF16 } from './half';

const { fround } = Math;
const SUB = 32;
const LEVELS = 15;
const TRIALS = 20;

interface Fit {
  readonly scale: number;
  /** Subtracted from scale * q; 0 or more. */
  readonly minimum: number;
}

/** 1.5 * 2^23: adding it to a small f32 pushes the fraction out of the mantissa, rounding half to even. */
const ROUNDER = 12582912;

/** Nearest integer, half to even, limited to 0..high. The limit comes first: the trick holds below 2^22 only. */
function nearestCode(x: number, high: number): number {
  const limited = x > 0 ? (x < high ? x : high) : 0;
  return fround(fround(limited + ROUNDER) - ROUNDER);
}

/** Scale and minimum of 32 values with q in 0..15, larger values weighing more. */
function fitSubBlock(values: Float32Array, from: number): Fit {
  const x = values.subarray(from, from + SUB);
  let squares = 0;
  for (const value of x) squares = fround(squares + fround(value * value));
  const average = fround(Math.sqrt(fround(squares / SUB)));
  const weights = x.map((value) => average + Math.abs(value));

  let minimum = x[0] ?? 0;
  let maximum = x[0] ?? 0;
  let sumW = 0;
  let sumX = 0;
  x.forEach((value, i) => {
    minimum = Math.min(minimum, value);
    maximum = Math.max(maximum, value);
    sumW = fround(sumW + (weights[i] ?? 0));
    sumX = fround(sumX + fround((weights[i] ?? 0) * value));
  });
  minimum = Math.min(minimum, 0);
  if (maximum === minimum) return { scale: 0, minimum: -minimum };
  const codes = new Float32Array(SUB);

  const encode = (inverseScale: number) => {
    for (let i = 0; i < SUB; i++) {
      codes[i] = nearestCode(fround(inverseScale * fround((x[i] ?? 0) - minimum)), LEVELS);
    }
  };
  const errorOf = (scale: number, low: number): number => {
    let error = 0;
    for (let i = 0; i < SUB; i++) {
      const difference = fround(fround(fround(scale * (codes[i] ?? 0)) + low) - (x[i] ?? 0));
      error = fround(error + fround((weights[i] ?? 0) * fround(difference * difference)));
    }
    return error;
  };

  const firstInverse = fround(LEVELS / fround(maximum - minimum));
  let scale = fround(1 / firstInverse);
  encode(firstInverse);
  let bestError = errorOf(scale, minimum);
  for (let trial = 0; trial <= TRIALS; trial++) {
    // The minimum of the best fit so far is the base of the next trial, as in the reference.
    encode(fround(fround(fround(-1 + fround(fround(0.1) * trial)) + LEVELS) / fround(maximum - minimum)));
    const fit = leastSquares(x, weights, codes, sumW, sumX);
    if (!fit) continue;
    const error = errorOf(fit.scale, fit.low);
    if (error < bestError) {
      bestError = error;
      scale = fit.scale;
      minimum = fit.low;
    }
  }
  return { scale, minimum: -minimum };
}

/** Best scale and offset for fixed codes; the offset is kept at or below zero. */
function leastSquares(x: Float32Array, weights: Float32Array, codes: Float32Array, sumW: number, sumX: number) {
  let sumL = 0;
  let sumL2 = 0;
  let sumXL = 0;
  for (let i = 0; i < SUB; i++) {
    const weighted = fround((weights[i] ?? 0) * (codes[i] ?? 0));
    sumL = fround(sumL + weighted);
    sumL2 = fround(sumL2 + fround(weighted * (codes[i] ?? 0)));
    sumXL = fround(sumXL + fround(weighted * (x[i] ?? 0)));
  }
  const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
  if (!(determinant > 0)) return undefined;
  const low = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant);
  if (low > 0) return { scale: fround(sumXL / sumL2), low: 0 };
  return { scale: fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant), low };
}

/** @param values length a multiple of 256; finite */
export function quantizeQ4_K(values: Float32Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((values.length / 256) * 144);
  for (let block = 0; block * 256 < values.length; block++) encodeBlock(values, block * 256, out, block * 144);
  return out;
}

function encodeBlock(values: Float32Array, from: number, out: Uint8Array, to: number): void {
  const fits = Array.from({ length: 8 }, (_, sub) => fitSubBlock(values, from + sub * SUB));
  const maxScale = Math.max(0, ...fits.map((fit) => fit.scale));
  const maxMinimum = Math.max(0, ...fits.map((fit) => fit.minimum));
  const inverseScale = maxScale > 0 ? fround(63 / maxScale) : 0;
  const inverseMinimum = maxMinimum > 0 ? fround(63 / maxMinimum) : 0;
  const dCode = f32ToF16(fround(maxScale / 63));
  const minCode = f32ToF16(fround(maxMinimum / 63));
  out.set([dCode & 255, dCode >> 8, minCode & 255, minCode >> 8], to);

  fits.forEach((fit, sub) => {
    const sc = nearestCode(fround(inverseScale * fit.scale), 63);
    const mn = nearestCode(fround(inverseMinimum * fit.minimum), 63);
    putSixBit(out, to + 4, sub, sc, mn);
    const d = fround(f16ToF32(dCode) * sc);
    const low = fround(f16ToF32(minCode) * mn);
    for (let l = 0; l < SUB; l++) {
      const x = values[from + sub * SUB + l] ?? 0;
      // A scale of zero leaves the codes free; zero keeps files reproducible.
      const code = d === 0 ? 0 : nearestCode(fround(fround(x + low) / d), LEVELS);
      const at = to + 16 + (sub >> 1) * SUB + l;
      out[at] = (out[at] ?? 0) | (code << (4 * (sub & 1)));
    }
  });
}

/** Writes scale and minimum `j` into the 12 bytes at `s`; layout as in `k_blocks.ts`. */
function putSixBit(out: Uint8Array, s: number, j: number, sc: number, mn: number): void {
  if (j < 4) {
    out[s + j] = (out[s + j] ?? 0) | sc;
    out[s + j + 4] = (out[s + j + 4] ?? 0) | mn;
  } else {
    out[s + j + 4] = (sc & 15) | ((mn & 15) << 4);
    out[s + j - 4] = (out[s + j - 4] ?? 0) | ((sc >> 4) << 6);
    out[s + j] = (out[s + j] ?? 0) | ((mn >> 4) << 6);
  }
}
