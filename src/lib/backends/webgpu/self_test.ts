/**
 * Start-up check of the fast kernels: each variant computes a tiny product whose sizes are no multiples of a tile and is
 * compared with the same sums on the host. A variant that is wrong or does not compile is left out on this device and
 * named in `info`. Takes about a second, most of it compiling. Source of the idea: wrong results of real drivers
 * (llama.cpp #18814, CubeCL #1444).
 */
import { AppError } from '../../base/errors';
import { GraphBuilder } from '../../graph/builder';
import { memoryWeight } from '../../graph/memory_weight';
import { weightResolver } from '../../graph/weights';
import type { WebgpuBackend } from './backend';
import { defaultTuning, plainTuning, type AttentionChoice, type Tuning } from './tuning';

export interface SelfTestReport {
  /** Variant → 'ok' or why it is off. */
  readonly verdicts: Readonly<Record<string, string>>;
  /** Kernels as chosen from what passed. */
  readonly tuning: Tuning;
}

/** f32 sums of some hundred products in another order. */
const LARGEST_NMSE = 1e-9;

/** Values in ±1 that repeat nowhere and need no generator. */
function wave(length: number, step: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => Math.sin(step * (i + 1)));
}

/**
 * Tests the variants on the backend's device and switches it to those that passed.
 * @param fullGroups workgroups that keep the device busy, for splitting reductions
 */
export async function selfTest(backend: WebgpuBackend, { fullGroups = 64 } = {}): Promise<SelfTestReport> {
  const verdicts: Record<string, string> = {};
  const gemm = { ...plainTuning };
  const variants: readonly (readonly [string, Tuning, () => Promise<number>])[] = [
    ['plain', plainTuning, () => productError(backend, 5)],
    ['skinny', { ...gemm, gemm: () => ({ kernel: 'skinny' }) }, () => productError(backend, 3)],
    ['tiled', tiledTuning(1), () => productError(backend, 67)],
    ['split', tiledTuning(3), () => productError(backend, 67)],
    ['flash', { ...gemm, attention: () => FLASH }, () => attentionError(backend)],
  ];
  for (const [name, tuning, measure] of variants) {
    backend.setTuning(tuning, {});
    try {
      const error = await measure();
      verdicts[name] = error <= LARGEST_NMSE ? 'ok' : `wrong results (NMSE ${error.toExponential(1)})`;
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'backend/device-lost') throw error;
      verdicts[name] = error.code;
    }
  }
  const ok = (name: string) => verdicts[name] === 'ok';
  const tuning = defaultTuning({
    tiled: ok('tiled'),
    split: ok('split'),
    skinny: ok('skinny'),
    flash: ok('flash'),
    fullGroups,
  });
  const off = Object.entries(verdicts).filter(([, verdict]) => verdict !== 'ok');
  backend.setTuning(tuning, {
    'self-test': off.length === 0 ? 'all kernels passed' : off.map(([name, why]) => `${name}: ${why}`).join('; '),
  });
  return { verdicts, tuning };
}

const FLASH: AttentionChoice = { kernel: 'flash' };

function tiledTuning(splits: number): Tuning {
  return { ...plainTuning, gemm: () => ({ kernel: 'tiled', tile: { bm: 64, bn: 64, bk: 16, splits } }) };
}

/** NMSE of x [m, 300] · Wᵀ [70, 300] + bias; 300 takes every kernel through its loop more than once. */
async function productError(backend: WebgpuBackend, m: number): Promise<number> {
  const [n, k] = [70, 300];
  const x = wave(m * k, 0.37);
  const w = wave(n * k, 0.73);
  const bias = wave(n, 1.1);
  const weights = new Map([
    ['w.weight', memoryWeight('w.weight', [n, k], w)],
    ['w.bias', memoryWeight('w.bias', [n], bias)],
  ]);
  const g = GraphBuilder.create('self-test', weightResolver(weights));
  g.output('y', g.linear(g.input('x', [m, k]), 'w', { out: n }));
  const found = await evaluate(backend, g, weights, { x: { shape: [m, k], data: x } });
  const expected = Float64Array.from({ length: m * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    let sum = bias[column] ?? 0;
    for (let j = 0; j < k; j++) sum += (x[row * k + j] ?? 0) * (w[column * k + j] ?? 0);
    return sum;
  });
  return nmse(found, expected);
}

/** NMSE of one head of width 24, 19 queries on 37 keys. */
async function attentionError(backend: WebgpuBackend): Promise<number> {
  const [tq, tk, d] = [19, 37, 24];
  const [q, k, v] = [wave(tq * d, 0.31), wave(tk * d, 0.57), wave(tk * d, 0.83)];
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
  return nmse(found, expected);
}

async function evaluate(
  backend: WebgpuBackend,
  g: GraphBuilder,
  weights: Parameters<WebgpuBackend['compile']>[1],
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

function nmse(found: ArrayLike<number>, expected: Float64Array): number {
  let difference = 0;
  let energy = 0;
  for (const [i, value] of expected.entries()) {
    difference += ((found[i] ?? NaN) - value) ** 2;
    energy += value ** 2;
  }
  // Not a number anywhere makes the sum one; it must not compare as small.
  return Number.isFinite(difference) ? difference / energy : Infinity;
}
