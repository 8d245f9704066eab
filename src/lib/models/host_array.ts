/** The little arithmetic on host arrays that joining conditions needs. */
import type { HostArray } from './family';

/** Joins [N, T, Dᵢ] (or [N, Dᵢ]) arrays along the last axis. Leading axes must agree. */
export function joinLast(arrays: readonly HostArray[]): HostArray {
  const first = arrays[0];
  if (!first) return { shape: [0], data: new Float32Array(0) };
  const widths = arrays.map((a) => a.shape.at(-1) ?? 0);
  const width = widths.reduce((sum, w) => sum + w, 0);
  const rows = widths[0] ? first.data.length / widths[0] : 0;
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row += 1) {
    let at = row * width;
    for (const [i, a] of arrays.entries()) {
      const w = widths[i] ?? 0;
      data.set(a.data.subarray(row * w, (row + 1) * w), at);
      at += w;
    }
  }
  return { shape: [...first.shape.slice(0, -1), width], data };
}

/** Joins [N, Tᵢ, D] arrays along the middle axis. */
export function joinTokens(arrays: readonly HostArray[]): HostArray {
  const [n = 0, , d = 0] = arrays[0]?.shape ?? [];
  const tokens = arrays.reduce((sum, a) => sum + (a.shape[1] ?? 0), 0);
  const data = new Float32Array(n * tokens * d);
  for (let row = 0; row < n; row += 1) {
    let at = row * tokens * d;
    for (const a of arrays) {
      const size = (a.shape[1] ?? 0) * d;
      data.set(a.data.subarray(row * size, (row + 1) * size), at);
      at += size;
    }
  }
  return { shape: [n, tokens, d], data };
}

/** Widens the last axis to `width` with zeros on the right. */
export function padLast(array: HostArray, width: number): HostArray {
  const old = array.shape.at(-1) ?? 0;
  if (old >= width) return array;
  const zeros = {
    shape: [...array.shape.slice(0, -1), width - old],
    data: new Float32Array((array.data.length / (old || 1)) * (width - old)),
  };
  return joinLast([array, zeros]);
}

export function zeros(shape: readonly number[]): HostArray {
  return { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
}
