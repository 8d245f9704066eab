/** Tiny cases with their sums on the host, for the self-test. Errors are per row: a huge row hides nothing. */
import { GraphBuilder } from '../../graph/builder';
import { memoryWeight, packedWeight } from '../../graph/memory_weight';
import { weightResolver, type WeightMap } from '../../graph/weights';
import type { WebgpuBackend } from './backend';

/** Values in ±1 that repeat nowhere and need no generator. */
function wave(length: number, step: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => Math.sin(step * (i + 1)));
}

/**
 * Rows in turn ordinary, of one sign with products that sum up far beyond 65504, and tiny: what half-precision tiles and
 * accumulators lose.
 */
function unevenRows(rows: number, width: number, step: number): Float32Array<ArrayBuffer> {
  const values = wave(rows * width, step);
  return values.map((value, i) => {
    const kind = Math.floor(i / width) % 3;
    return kind === 0 ? value : kind === 1 ? 3e4 * (value + 1.5) : 1e-6 * value;
  });
}

/** Blocks of 32 signed bytes with binary16 scales in turn 1 and 1/64, and their values. */
function bytesWeight(rows: number, width: number) {
  const blocks = (rows * width) / 32;
  const view = new DataView(new ArrayBuffer(34 * blocks));
  const values = new Float32Array(rows * width);
  for (let block = 0; block < blocks; block++) {
    const [bits, scale] = block % 2 === 0 ? [0x3c00, 1] : [0x2400, 1 / 64];
    view.setUint16(34 * block, bits, true);
    for (let i = 0; i < 32; i++) {
      const code = (((block * 32 + i) * 37) % 255) - 127;
      view.setInt8(34 * block + 2 + i, code);
      values[32 * block + i] = code * scale;
    }
  }
  return { weight: packedWeight('w.weight', 'Q8_0', [rows, width], new Uint8Array(view.buffer)), values };
}

/** Largest NMSE of a row of x [m, K] · Wᵀ [70, K] + bias; the lengths take every kernel through its loop several times. */
export async function productError(backend: WebgpuBackend, m: number, type: 'F32' | 'Q8_0'): Promise<number> {
  const n = 70;
  const k = type === 'F32' ? 300 : 288;
  const x = unevenRows(m, k, 0.37);
  const bias = wave(n, 1.1);
  const floats = wave(n * k, 0.73);
  const made =
    type === 'F32' ? { weight: memoryWeight('w.weight', [n, k], floats), values: floats } : bytesWeight(n, k);
  const weights: WeightMap = new Map([
    ['w.weight', made.weight],
    ['w.bias', memoryWeight('w.bias', [n], bias)],
  ]);
  const g = GraphBuilder.create('self-test', weightResolver(weights));
  g.output('y', g.linear(g.input('x', [m, k]), 'w', { out: n }));
  const found = await evaluate(backend, g, weights, { x: { shape: [m, k], data: x } });
  const expected = Float64Array.from({ length: m * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    let sum = bias[column] ?? 0;
    for (let j = 0; j < k; j++) sum += (x[row * k + j] ?? 0) * (made.values[column * k + j] ?? 0);
    return sum;
  });
  return worstRow(found, expected, n);
}

/** Largest NMSE of a query of one head of width 24, 19 queries on 37 keys. */
export async function attentionError(backend: WebgpuBackend): Promise<number> {
  const [tq, tk, d] = [19, 37, 24];
  const [k, v] = [wave(tk * d, 0.57), wave(tk * d, 0.83)];
  const scales = [1, 4, 1e-3];
  const q = wave(tq * d, 0.31).map((value, i) => value * (scales[Math.floor(i / d) % 3] ?? 1));
  const g = GraphBuilder.create('self-test', () => undefined);
  const inputs = {
    q: { shape: [1, tq, d], data: q },
    k: { shape: [1, tk, d], data: k },
    v: { shape: [1, tk, d], data: v },
  };
  g.output(
    'y',
    g.attention(g.input('q', [1, tq, d]), g.input('k', [1, tk, d]), g.input('v', [1, tk, d]), { heads: 1 }),
  );
  const found = await evaluate(backend, g, new Map(), inputs);
  const expected = new Float64Array(tq * d);
  for (let i = 0; i < tq; i++) {
    const weights = Array.from({ length: tk }, (_, j) => {
      let score = 0;
      for (let c = 0; c < d; c++) score += (q[i * d + c] ?? 0) * (k[j * d + c] ?? 0);
      return Math.exp(score / Math.sqrt(d));
    });
    const total = weights.reduce((a, b) => a + b, 0);
    for (let c = 0; c < d; c++) {
      expected[i * d + c] = weights.reduce((sum, weight, j) => sum + weight * (v[j * d + c] ?? 0), 0) / total;
    }
  }
  return worstRow(found, expected, d);
}

/** Largest NMSE of a row of a layer norm over 150 numbers. */
export async function normError(backend: WebgpuBackend): Promise<number> {
  const [rows, size, eps] = [5, 150, 1e-12];
  const x = unevenRows(rows, size, 0.41);
  const g = GraphBuilder.create('self-test', () => undefined);
  g.output('y', g.layerNorm(g.input('x', [rows, size]), '', { eps, affine: 'none' }));
  const found = await evaluate(backend, g, new Map(), { x: { shape: [rows, size], data: x } });
  const expected = new Float64Array(rows * size);
  for (let row = 0; row < rows; row++) {
    const values = Array.from(x.subarray(row * size, (row + 1) * size));
    const mean = values.reduce((a, b) => a + b, 0) / size;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
    for (const [i, value] of values.entries()) expected[row * size + i] = (value - mean) / Math.sqrt(variance + eps);
  }
  return worstRow(found, expected, size);
}

async function evaluate(
  backend: WebgpuBackend,
  g: GraphBuilder,
  weights: WeightMap,
  data: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>,
): Promise<ArrayLike<number>> {
  const program = await backend.compile(g.finish(), weights);
  const inputs = Object.fromEntries(Object.entries(data).map(([name, tensor]) => [name, backend.upload(tensor)]));
  try {
    const { y } = await program.run(inputs);
    if (!y) return [];
    try {
      return (await backend.download(y)).data;
    } finally {
      y.dispose();
    }
  } finally {
    for (const tensor of Object.values(inputs)) tensor.dispose();
    await program.dispose();
  }
}

function worstRow(found: ArrayLike<number>, expected: Float64Array, width: number): number {
  let worst = 0;
  for (let first = 0; first < expected.length; first += width) {
    let difference = 0;
    let energy = 0;
    for (let i = first; i < first + width; i++) {
      const value = expected[i] ?? 0;
      difference += ((found[i] ?? NaN) - value) ** 2;
      energy += value ** 2;
    }
    // Not a number anywhere makes the sum one; it must not compare as small.
    worst = Math.max(worst, Number.isFinite(difference) ? difference / energy : Infinity);
  }
  return worst;
}
