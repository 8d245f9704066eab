/** Arithmetic on the small matrices of low-rank updates, on the CPU, once per file. */
import { AppError } from '../../base/errors';
import { elementCount, formatShape, type Shape } from '../../base/shape';

/** ΔW = scale · up·(mid·)down, row-major. */
export interface LowRankUpdate {
  readonly kind: 'low-rank';
  readonly rank: number;
  /** `[rank, in]`, or `[rank, in, kh, kw]`; `[rank, in]` when `mid` is given. */
  readonly down: Float32Array;
  /** `[out, rank]` */
  readonly up: Float32Array;
  /** `[rank, rank, kh, kw]`: Tucker core of a convolution. */
  readonly mid?: Float32Array;
  /** alpha / rank; 1 when the file has no alpha. */
  readonly scale: number;
}

/** One update as down `[rank, in, kh, kw]` (or `[rank, in]`) and up `[out, rank]`, the file's scale inside up. */
export interface Factors {
  readonly rank: number;
  readonly down: Float32Array;
  readonly up: Float32Array;
  readonly downShape: Shape;
  readonly upShape: Shape;
}

/**
 * Checks an update against its layer's weight and multiplies a Tucker core into the down factor.
 * @param weight `[out, in]` or `[out, in, kh, kw]`
 * @throws AppError 'lora/shape'
 */
export function toPlainFactors(layer: string, update: LowRankUpdate, weight: Shape): Factors {
  const { rank, mid, scale } = update;
  const [out = 0, ...inner] = weight;
  const [channels = 0, ...kernel] = inner;
  const downShape = [rank, ...inner];
  const upShape = [out, rank, ...kernel.map(() => 1)];
  const storedDown = mid ? [rank, channels] : downShape;
  const storedMid = [rank, rank, ...kernel];
  const fits =
    Number.isInteger(rank) &&
    rank >= 1 &&
    update.down.length === elementCount(storedDown) &&
    update.up.length === out * rank &&
    (!mid || mid.length === elementCount(storedMid));
  if (!fits) {
    throw new AppError(
      'lora/shape',
      `LoRA: rank ${rank} factors of layer "${layer}" must fit a weight ${formatShape(weight)}, got ${update.down.length} and ${update.up.length} numbers; the file is for another base model.`,
      { details: { layer, rank, weight, down: update.down.length, up: update.up.length, mid: mid?.length ?? 0 } },
    );
  }
  const up = update.up.map((value) => value * scale);
  const down = mid ? multiplyCore(mid, update.down, rank, channels, elementCount(kernel)) : update.down;
  return { rank, down, up, downShape, upShape };
}

/** down'[r, c, k] = Σ_q mid[r, q, k] · down[q, c]. */
function multiplyCore(mid: Float32Array, down: Float32Array, rank: number, channels: number, taps: number) {
  const out = new Float32Array(rank * channels * taps);
  for (let r = 0; r < rank; r++) {
    for (let c = 0; c < channels; c++) {
      for (let k = 0; k < taps; k++) {
        let sum = 0;
        for (let q = 0; q < rank; q++) sum += (mid[(r * rank + q) * taps + k] ?? 0) * (down[q * channels + c] ?? 0);
        out[(r * channels + c) * taps + k] = sum;
      }
    }
  }
  return out;
}

export interface JoinedFactors {
  readonly down: Float32Array<ArrayBuffer>;
  readonly up: Float32Array<ArrayBuffer>;
  readonly downShape: Shape;
  readonly upShape: Shape;
}

/** Several updates of one layer as one of the summed rank: rows of down follow each other, so do columns of up. */
export function joinLowRank(parts: readonly Factors[]): JoinedFactors {
  const total = parts.reduce((sum, part) => sum + part.rank, 0);
  const [, ...inner] = parts[0]?.downShape ?? [];
  const [out = 0, , ...ones] = parts[0]?.upShape ?? [];
  const row = elementCount(inner);
  const down = new Float32Array(total * row);
  const up = new Float32Array(out * total);
  let at = 0;
  for (const part of parts) {
    down.set(part.down, at * row);
    for (let o = 0; o < out; o++) up.set(part.up.subarray(o * part.rank, (o + 1) * part.rank), o * total + at);
    at += part.rank;
  }
  return { down, up, downShape: [total, ...inner], upShape: [out, total, ...ones] };
}
