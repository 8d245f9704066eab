/** Linears that stay in 4- and 8-bit blocks. */
import { describe, expect, it } from 'vitest';
import { packedCodes, packedScales } from '../../../../src/lib/backends/onnx/packed_blocks';
import { randomWeight } from '../../../../src/lib/backends/op_cases/packed';
import { createRandom } from '../../../../src/lib/backends/op_cases/random';
import { GraphBuilder } from '../../../../src/lib/graph/builder';
import { loadWeight } from '../../../../src/lib/graph/load_weight';
import { weightResolver, type NamedWeight } from '../../../../src/lib/graph/weights';
import type { GraphCase } from './graphs';
import { backendOn, nmseToReference, RUNTIMES } from './runtimes';

const TYPES = ['Q4_0', 'Q8_0'] as const;
const [N, K] = [24, 96];

function weightOf(type: (typeof TYPES)[number], rows = false): NamedWeight {
  const weight = randomWeight('w', [rows ? N + 5 : N, K], type, 0.1, createRandom(3));
  return rows ? { ...weight, rows: { start: 3, count: N } } : weight;
}

function linear(weight: NamedWeight, rows: number): GraphCase {
  const weights = new Map([['w', weight]]);
  const g = GraphBuilder.create('packed', weightResolver(weights));
  const random = createRandom(5);
  const x = g.input('x', [1, rows, K]);
  g.output('y', g.op('linear', [x, g.weight('w', [N, K]), g.constant(new Float32Array(N).fill(0.5), [N])], {}));
  const data = Float32Array.from({ length: rows * K }, () => random.normal());
  return { graph: g.finish(), weights, inputs: { x: { shape: [1, rows, K], data } } };
}

describe.each(TYPES)('%s blocks', (type) => {
  it.each([false, true])('repacked codes and scales give the decoded weights (row range: %s)', async (rows) => {
    const weight = weightOf(type, rows);
    const codes = await packedCodes(weight);
    const scales = await packedScales(weight);
    const expected = await loadWeight(weight, [N, K]);
    expect(scales).toHaveLength((N * K) / 32);
    const found = expected.map((_, i) => {
      const code = type === 'Q8_0' ? codes[i]! - 128 : ((codes[i >> 1]! >> (4 * (i & 1))) & 15) - 8;
      return code * scales[Math.floor(i / 32)]!;
    });
    expect(found).toEqual(expected);
  });

  it.each(RUNTIMES)('on $id agree with the reference and take less memory', async (runtime) => {
    // Enough rows for WASM, which keeps shorter linears in f32.
    const graphCase = linear(weightOf(type), 256);
    const backend = backendOn(runtime, { keepQuantized: true });
    // Native kernels quantise activations to 8 bits (accuracy_level 4).
    expect(await nmseToReference(backend, graphCase)).toBeLessThan(runtime.id === 'node' ? 1e-4 : 1e-11);
    const program = await backend.compile(graphCase.graph, graphCase.weights);
    expect(program.plan.weightsBytes).toBe(N * (K / 32) * (type === 'Q4_0' ? 20 : 36));
    await program.dispose();
  });

  it.each(RUNTIMES)('on $id become f32 where blocks would not do', async (runtime) => {
    const backend = backendOn(runtime, { keepQuantized: true });
    const bytes = async (graphCase: GraphCase) => {
      const program = await backend.compile(graphCase.graph, graphCase.weights);
      await program.dispose();
      return program.plan.weightsBytes;
    };
    const whole = N * K * 4;
    if (runtime.id === 'wasm') expect(await bytes(linear(weightOf(type), 1))).toBe(whole);
    const stored = randomWeight('w', [K, 32], type, 0.1, createRandom(3));
    const transposed = { ...stored, transposed: true } as const;
    const g = GraphBuilder.create('t', weightResolver(new Map([['w', transposed]])));
    g.output('y', g.op('linear', [g.input('x', [256, K]), g.weight('w', [32, K])], {}));
    const inputs = { x: { shape: [256, K], data: new Float32Array(256 * K).fill(0.1) } };
    const graphCase = { graph: g.finish(), weights: new Map([['w', transposed]]), inputs };
    expect(await bytes(graphCase)).toBe(32 * K * 4);
    expect(await nmseToReference(backend, graphCase)).toBeLessThan(1e-11);
  });
});
