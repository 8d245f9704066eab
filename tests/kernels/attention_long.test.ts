/** Attention over more keys than any tile: whole rows against the formula in double precision. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nmse } from '../../src/lib/backends/op_cases/run_op_case';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { GraphBuilder } from '../../src/lib/graph/builder';
import { createTestBackend } from './test_backend';

const WIDTH = 8;

let backend: WebgpuBackend;
beforeAll(async () => {
  backend = await createTestBackend();
});
afterAll(() => backend.dispose());

/** Row `i` of softmax(q kᵀ · scale) v. */
function attend(q: Float32Array, k: Float32Array, v: Float32Array, i: number, scale: number): number[] {
  const dot = (j: number) => {
    let sum = 0;
    for (let d = 0; d < WIDTH; d++) sum += (q[WIDTH * i + d] ?? 0) * (k[WIDTH * j + d] ?? 0);
    return scale * sum;
  };
  const scores = Array.from({ length: k.length / WIDTH }, (_, j) => dot(j));
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const row = new Array<number>(WIDTH).fill(0);
  let total = 0;
  for (const [j, score] of scores.entries()) {
    const weight = Math.exp(score - most);
    total += weight;
    for (let d = 0; d < WIDTH; d++) row[d] = (row[d] ?? 0) + weight * (v[WIDTH * j + d] ?? 0);
  }
  return row.map((sum) => sum / total);
}

describe.each(['plain', 'flash'] as const)('%s', (kernel) => {
  // Scores of a few units, and of hundreds: there one key takes all.
  it.each([
    { queries: 4099, keys: 70, size: 2 },
    { queries: 33, keys: 16_387, size: 2 },
    { queries: 33, keys: 4099, size: 40 },
  ])('$queries queries, $keys keys, values of $size', async ({ queries, keys, size }) => {
    const g = GraphBuilder.create('long', () => undefined);
    const q = g.input('q', [1, queries, WIDTH]);
    const k = g.input('k', [1, keys, WIDTH]);
    const v = g.input('v', [1, keys, WIDTH]);
    g.output('y', g.attention(q, k, v, { heads: 1 }));
    const wave = (count: number, step: number, middle = 0) =>
      Float32Array.from({ length: count * WIDTH }, (_, i) => size * (middle + Math.sin(step * (i + 1))));
    // Values about a middle: sums of thousands that cancel would say nothing about the kernel.
    const data = { q: wave(queries, 0.37), k: wave(keys, 0.73), v: wave(keys, 1.13, 0.5) };
    const tuning = { ...plainTuning, attention: () => ({ kernel }) };
    const program = await backend.compileWith(tuning, g.finish(), new Map());
    const inputs = {
      q: backend.upload({ shape: [1, queries, WIDTH], data: data.q }),
      k: backend.upload({ shape: [1, keys, WIDTH], data: data.k }),
      v: backend.upload({ shape: [1, keys, WIDTH], data: data.v }),
    };
    const { y } = await program.run(inputs);
    const found = (await backend.download(y!)).data;
    for (const row of [0, 1, 31, 32, queries - 1]) {
      const wanted = attend(data.q, data.k, data.v, row, 1 / Math.sqrt(WIDTH));
      expect(nmse(found.slice(WIDTH * row, WIDTH * (row + 1)), wanted), `row ${row}`).toBeLessThan(1e-6);
    }
    for (const tensor of [...Object.values(inputs), y!]) tensor.dispose();
    await program.dispose();
  });
});
