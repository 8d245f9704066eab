/** Dense arithmetic of the adapter flavours; row-major f32 storage, f64 sums. */

/** [m, k] · [k, n] */
export function multiply(a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float32Array {
  const out = new Float32Array(m * n);
  const row = new Float64Array(n);
  for (let i = 0; i < m; i += 1) {
    row.fill(0);
    for (let j = 0; j < k; j += 1) {
      const factor = a[i * k + j] ?? 0;
      if (factor === 0) continue;
      for (let c = 0; c < n; c += 1) row[c] = (row[c] ?? 0) + factor * (b[j * n + c] ?? 0);
    }
    out.set(row, i * n);
  }
  return out;
}

/**
 * Tucker product: out[o, n, t] = Σᵢⱼ a[i, o] · core[i, j, t] · b[j, n].
 * @param core [r, r, taps], a [r, out], b [r, inner]
 */
export function tucker(
  core: Float32Array,
  a: Float32Array,
  b: Float32Array,
  { rank, out, inner, taps }: { rank: number; out: number; inner: number; taps: number },
): Float32Array {
  // half[i, n, t] = Σⱼ core[i, j, t] · b[j, n]
  const half = new Float32Array(rank * inner * taps);
  for (let i = 0; i < rank; i += 1)
    for (let j = 0; j < rank; j += 1)
      for (let n = 0; n < inner; n += 1)
        for (let t = 0; t < taps; t += 1) {
          const at = (i * inner + n) * taps + t;
          half[at] = (half[at] ?? 0) + (core[(i * rank + j) * taps + t] ?? 0) * (b[j * inner + n] ?? 0);
        }
  return multiply(transpose(a, rank, out), half, out, rank, inner * taps);
}

function transpose(a: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(a.length);
  for (let r = 0; r < rows; r += 1) for (let c = 0; c < columns; c += 1) out[c * rows + r] = a[r * columns + c] ?? 0;
  return out;
}

/**
 * Kronecker product of a [p, q] and b [r, s, taps]: out[(i·r + k), (j·s + l), t].
 */
export function kronecker(
  a: Float32Array,
  b: Float32Array,
  { p, q, r, s, taps }: { p: number; q: number; r: number; s: number; taps: number },
): Float32Array {
  const out = new Float32Array(p * q * r * s * taps);
  let at = 0;
  for (let i = 0; i < p; i += 1)
    for (let k = 0; k < r; k += 1)
      for (let j = 0; j < q; j += 1) {
        const factor = a[i * q + j] ?? 0;
        for (let l = 0; l < s * taps; l += 1) {
          out[at] = factor * (b[k * s * taps + l] ?? 0);
          at += 1;
        }
      }
  return out;
}

/** Inverse of an n x n matrix by Gauss-Jordan with pivoting; undefined when singular. */
export function invert(matrix: Float64Array, n: number): Float64Array | undefined {
  const a = Float64Array.from(matrix);
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) out[i * n + i] = 1;
  const at = (m: Float64Array, r: number, c: number) => m[r * n + c] ?? 0;
  for (let col = 0; col < n; col += 1) {
    let pivot = col;
    for (let r = col + 1; r < n; r += 1) if (Math.abs(at(a, r, col)) > Math.abs(at(a, pivot, col))) pivot = r;
    const divisor = at(a, pivot, col);
    if (divisor === 0 || !Number.isFinite(divisor)) return undefined;
    for (const m of [a, out]) {
      for (let c = 0; c < n; c += 1) {
        const swapped = at(m, pivot, c);
        m[pivot * n + c] = at(m, col, c);
        m[col * n + c] = swapped / divisor;
      }
    }
    for (let r = 0; r < n; r += 1) {
      const factor = at(a, r, col);
      if (r === col || factor === 0) continue;
      for (const m of [a, out]) for (let c = 0; c < n; c += 1) m[r * n + c] = at(m, r, c) - factor * at(m, col, c);
    }
  }
  return out;
}
