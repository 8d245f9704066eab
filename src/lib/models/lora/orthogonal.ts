/** OFT and BOFT: weights turned by orthogonal blocks. Sources: Qiu et al. 2023 (OFT); Liu et al. 2024 (BOFT); LyCORIS. */
import { invert } from './matrices';

/**
 * Cayley transform R = (I + Q)(I - Q)⁻¹, Q = B - Bᵀ, of `count` blocks [b, b].
 * @param constraint largest Frobenius norm of all Q together; 0: none
 */
export function cayley(blocks: Float32Array, count: number, b: number, constraint: number): Float64Array[] {
  const q = Array.from({ length: count }, (_, k) => {
    const out = new Float64Array(b * b);
    for (let i = 0; i < b; i += 1)
      for (let j = 0; j < b; j += 1) {
        out[i * b + j] = (blocks[(k * b + i) * b + j] ?? 0) - (blocks[(k * b + j) * b + i] ?? 0);
      }
    return out;
  });
  if (constraint > 0) {
    const norm = Math.sqrt(q.reduce((sum, block) => block.reduce((s, v) => s + v * v, sum), 0)) + 1e-8;
    if (norm > constraint)
      for (const block of q) for (let i = 0; i < block.length; i += 1) block[i] = ((block[i] ?? 0) * constraint) / norm;
  }
  return q.map((block) => {
    const plus = new Float64Array(b * b);
    const minus = new Float64Array(b * b);
    for (let i = 0; i < b * b; i += 1) {
      const unit = i % (b + 1) === 0 ? 1 : 0;
      plus[i] = unit + (block[i] ?? 0);
      minus[i] = unit - (block[i] ?? 0);
    }
    // I - Q is never singular for a skew Q; a damaged file gives NaN, which the finite check of the caller reports.
    const inverse = invert(minus, b) ?? new Float64Array(b * b).fill(NaN);
    const out = new Float64Array(b * b);
    for (let i = 0; i < b; i += 1)
      for (let k = 0; k < b; k += 1)
        for (let j = 0; j < b; j += 1)
          out[i * b + j] = (out[i * b + j] ?? 0) + (plus[i * b + k] ?? 0) * (inverse[k * b + j] ?? 0);
    return out;
  });
}

/** Rᵀ of each block times the block's rows of W [rows, columns], times `rescale` per row. */
export function turnRows(
  weight: Float32Array,
  columns: number,
  turns: readonly Float64Array[],
  b: number,
  rescale: Float32Array | undefined,
): Float32Array {
  const out = new Float32Array(weight.length);
  const row = new Float64Array(columns);
  for (const [k, turn] of turns.entries()) {
    for (let m = 0; m < b; m += 1) {
      row.fill(0);
      for (let n = 0; n < b; n += 1) {
        const factor = turn[n * b + m] ?? 0;
        const from = (k * b + n) * columns;
        for (let c = 0; c < columns; c += 1) row[c] = (row[c] ?? 0) + factor * (weight[from + c] ?? 0);
      }
      const scale = rescale?.[k * b + m] ?? 1;
      out.set(
        row.map((value) => value * scale),
        (k * b + m) * columns,
      );
    }
  }
  return out;
}

/**
 * Butterfly: `stages` rounds of block turns, rows shuffled around each. Strength blends each turn with the identity.
 * @param turns [stages][blocks]
 */
export function butterfly(
  weight: Float32Array,
  columns: number,
  turns: readonly (readonly Float64Array[])[],
  b: number,
  strength: number,
): Float32Array {
  let x = weight;
  for (const [stage, blocks] of turns.entries()) {
    const k = 2 ** stage * (b / 2);
    const shuffled = swapAxes(x, columns, k, 'out');
    const out = new Float32Array(shuffled.length);
    const row = new Float64Array(columns);
    for (const [block, turn] of blocks.entries()) {
      for (let i = 0; i < b; i += 1) {
        row.fill(0);
        for (let j = 0; j < b; j += 1) {
          const factor = (turn[i * b + j] ?? 0) * strength + (i === j ? 1 - strength : 0);
          const from = (block * b + j) * columns;
          for (let c = 0; c < columns; c += 1) row[c] = (row[c] ?? 0) + factor * (shuffled[from + c] ?? 0);
        }
        out.set(row, (block * b + i) * columns);
      }
    }
    x = swapAxes(out, columns, k, 'back');
  }
  return x;
}

/** Rows seen as [g, 2, k] → [g, k, 2] (`out`), or the inverse. */
function swapAxes(x: Float32Array, columns: number, k: number, direction: 'out' | 'back'): Float32Array {
  const out = new Float32Array(x.length);
  const rows = x.length / columns;
  for (let r = 0; r < rows; r += 1) {
    const g = Math.floor(r / (2 * k));
    const half = Math.floor(r / k) % 2;
    const within = r % k;
    const other = g * 2 * k + within * 2 + half;
    const [from, to] = direction === 'out' ? [r, other] : [other, r];
    out.set(x.subarray(from * columns, (from + 1) * columns), to * columns);
  }
  return out;
}
