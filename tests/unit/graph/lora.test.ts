/** Side paths against merged weights, and what a strength of 0 leaves behind. */
import { describe, expect, it } from 'vitest';
import { nmse } from '../../../src/lib/backends/op_cases/run_op_case';
import type { GraphBuilder } from '../../../src/lib/graph/builder';
import type { Graph } from '../../../src/lib/graph/ir';
import { graphHash } from '../../../src/lib/graph/hash';
import { loadWeight } from '../../../src/lib/graph/load_weight';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import { applyLora, loraInput, type LayerUpdate, type Lora } from '../../../src/lib/graph/passes/lora';
import { optimize } from '../../../src/lib/graph/passes/optimize';
import type { WeightMap } from '../../../src/lib/graph/weights';
import { buildFree, ditLike, randomData, runReference, unetLike } from './sample_graphs';

const lora = (id: string, layers: Record<string, LayerUpdate[]>): Lora => ({
  id,
  layers: new Map(Object.entries(layers)),
});

function lowRank(
  seed: string,
  rank: number,
  out: number,
  inner: number[],
  options: { scale?: number; mid?: true } = {},
) {
  const [channels, ...kernel] = inner;
  return {
    kind: 'low-rank' as const,
    rank,
    down: randomData(`${seed} down`, options.mid ? [rank, channels!] : [rank, ...inner]),
    up: randomData(`${seed} up`, [out, rank], 0.3),
    ...(options.mid ? { mid: randomData(`${seed} mid`, [rank, rank, ...kernel]) } : {}),
    scale: options.scale ?? 1,
  };
}

/** ΔW by the definition, in f64. */
function deltaOf(update: ReturnType<typeof lowRank>, out: number, inner: number[]): Float64Array {
  const [channels, ...kernel] = inner as [number, ...number[]];
  const taps = kernel.reduce((a, b) => a * b, 1);
  const delta = new Float64Array(out * channels * taps);
  const { rank, down, up, mid, scale } = update;
  for (let o = 0; o < out; o++)
    for (let c = 0; c < channels; c++)
      for (let k = 0; k < taps; k++)
        for (let r = 0; r < rank; r++) {
          let low = mid ? 0 : down[(r * channels + c) * taps + k]!;
          if (mid) for (let q = 0; q < rank; q++) low += mid[(r * rank + q) * taps + k]! * down[q * channels + c]!;
          delta[(o * channels + c) * taps + k]! += scale * up[o * rank + r]! * low;
        }
  return delta;
}

async function merged(weights: WeightMap, name: string, deltas: [number, ArrayLike<number>][]): Promise<WeightMap> {
  const named = weights.get(name)!;
  const data = Float64Array.from(await loadWeight(named, named.tensor.shape));
  for (const [strength, delta] of deltas) for (let i = 0; i < data.length; i++) data[i]! += strength * delta[i]!;
  return new Map([...weights, [name, memoryWeight(name, named.tensor.shape, Float32Array.from(data))]]);
}

const strengths = (values: Record<string, number>) =>
  Object.fromEntries(Object.entries(values).map(([id, s]) => [loraInput(id), Float32Array.of(s)]));

/** A linear layer with activation and residual, and a convolution with stride, in one graph. */
function layers(b: GraphBuilder): void {
  const x = b.input('x', [2, 5, 6]);
  const picture = b.input('p', [1, 4, 7, 6], { layout: 'image' });
  const h = b.linear(x, 'fc', { out: 8, activation: 'gelu' });
  b.output('fc', b.add(b.linear(h, 'proj', { out: 6 }), x));
  b.output('conv', b.conv2d(picture, 'conv', { out: 5, kernel: 3, stride: 2, activation: 'silu' }));
  b.output('one', b.conv2d(picture, 'one', { out: 4, kernel: 1, upsample: 2 }));
}

describe('applyLora', () => {
  const { graph, weights } = buildFree('layers', layers);
  const fc = lowRank('fc', 2, 8, [6], { scale: 0.5 });
  const proj = lowRank('proj', 3, 6, [8]);
  const conv = lowRank('conv', 2, 5, [4, 3, 3]);
  const tucker = lowRank('tucker', 2, 5, [4, 3, 3], { mid: true, scale: 0.25 });
  const one = lowRank('one', 2, 4, [4, 1, 1]);

  async function expectMerged(
    loras: Lora[],
    given: Record<string, number>,
    expected: WeightMap,
    pass = (g: Graph) => g,
  ) {
    const result = applyLora(graph, weights, loras);
    const found = await runReference(pass(result.graph), result.weights, strengths(given));
    for (const [name, data] of Object.entries(await runReference(graph, expected))) {
      expect(nmse(found[name]!, data), name).toBeLessThan(1e-12);
    }
  }

  it('equals merged weights, for linear layers and convolutions of every kind', async () => {
    let expected = await merged(weights, 'fc.weight', [[0.7, deltaOf(fc, 8, [6])]]);
    expected = await merged(expected, 'proj.weight', [[0.7, deltaOf(proj, 6, [8])]]);
    expected = await merged(expected, 'conv.weight', [[0.7, deltaOf(conv, 5, [4, 3, 3])]]);
    expected = await merged(expected, 'one.weight', [[0.7, deltaOf(one, 4, [4, 1, 1])]]);
    const all = lora('a', { fc: [fc], proj: [proj], conv: [conv], one: [one] });
    for (const pass of [(g: Graph) => g, optimize]) await expectMerged([all], { a: 0.7 }, expected, pass);
  });

  it('adds up several files, each at its own strength, in two small layers per layer', async () => {
    const second = lowRank('fc2', 4, 8, [6], { scale: 2 });
    let expected = await merged(weights, 'fc.weight', [
      [0.5, deltaOf(fc, 8, [6])],
      [-1.5, deltaOf(second, 8, [6])],
    ]);
    expected = await merged(expected, 'conv.weight', [
      [0.5, deltaOf(conv, 5, [4, 3, 3])],
      [-1.5, deltaOf(tucker, 5, [4, 3, 3])],
    ]);
    const loras = [lora('a', { fc: [fc], conv: [conv] }), lora('b', { fc: [second], conv: [tucker] })];
    await expectMerged(loras, { a: 0.5, b: -1.5 }, expected);
    const names = applyLora(graph, weights, loras).graph.nodes.map((node) => node.scope);
    expect(names.filter((name) => name.startsWith('lora:up'))).toHaveLength(2);
  });

  it('takes full differences, bias differences and replacements', async () => {
    const full = randomData('full', [8, 6]);
    const bias = randomData('bias', [5]);
    const other = memoryWeight('other @1', [6, 8], randomData('other', [6, 8]));
    let expected = await merged(weights, 'fc.weight', [[0.3, full]]);
    expected = await merged(expected, 'conv.bias', [[0.3, bias]]);
    expected = new Map([...expected, ['proj.weight', other]]);
    const update = lora('a', {
      fc: [{ kind: 'delta', weight: memoryWeight('full', [8, 6], full) }],
      conv: [{ kind: 'bias', data: bias }],
      proj: [{ kind: 'replace', weight: other }],
    });
    await expectMerged([update], { a: 0.3 }, expected);
    const mixed = lora('a', { proj: [{ kind: 'replace', weight: other }, proj] });
    const both = await merged(new Map([...weights, ['proj.weight', other]]), 'proj.weight', [
      [2, deltaOf(proj, 6, [8])],
    ]);
    await expectMerged([mixed], { a: 2 }, both);
  });

  it('replaces any weight by its full name, such as a bias', async () => {
    const bias = memoryWeight('b', [6], randomData('b', [6]));
    const result = applyLora(graph, weights, [lora('a', { 'proj.bias': [{ kind: 'replace', weight: bias }] })]);
    expect(result.unmatched.get('a')).toEqual([]);
    const found = await runReference(result.graph, result.weights, strengths({ a: 1 }));
    const expected = await runReference(graph, new Map([...weights, ['proj.bias', bias]]));
    expect(found['fc']).toEqual(expected['fc']);
  });

  it('changes no bit at strength 0', async () => {
    const result = applyLora(graph, weights, [
      lora('a', { fc: [fc], proj: [proj], conv: [conv], one: [one] }),
      lora('b', { proj: [proj] }),
    ]);
    const [found, plain] = [
      await runReference(result.graph, result.weights, strengths({ a: 0, b: 0 })),
      await runReference(graph, weights),
    ];
    for (const name of Object.keys(plain)) expect(found[name], name).toEqual(plain[name]);
  });

  it('names layers that the graph does not have', () => {
    const { unmatched } = applyLora(graph, weights, [lora('a', { fc: [fc], gone: [proj] })]);
    expect(unmatched.get('a')).toEqual(['gone']);
  });

  it('gives other files another fingerprint, another strength the same', () => {
    const hash = (id: string) => graphHash(applyLora(graph, weights, [lora(id, { fc: [fc] })]).graph);
    expect(hash('a')).toBe(hash('a'));
    expect(hash('a')).not.toBe(hash('b'));
    expect(hash('a')).not.toBe(graphHash(graph));
  });

  it('refuses factors that do not fit, and an id given twice', () => {
    const bad: LayerUpdate[] = [
      { ...fc, down: fc.down.subarray(1) },
      { ...fc, up: fc.up.subarray(1) },
      { ...fc, rank: 0 },
      { ...fc, rank: 1.5 },
      { kind: 'delta', weight: memoryWeight('d', [2], randomData('d', [2])) },
      { kind: 'bias', data: randomData('d', [2]) },
      { kind: 'replace', weight: memoryWeight('d', [2], randomData('d', [2])) },
    ];
    for (const update of bad) {
      expect(() => applyLora(graph, weights, [lora('a', { fc: [update] })])).toThrow(
        expect.objectContaining({ code: 'lora/shape' }),
      );
    }
    expect(() => applyLora(graph, weights, [lora('a', {}), lora('a', {})])).toThrow(
      expect.objectContaining({ code: 'argument/invalid' }),
    );
  });

  it('works on whole networks', async () => {
    for (const build of [(b: GraphBuilder) => unetLike(b, 8, 16), (b: GraphBuilder) => ditLike(b)]) {
      const sample = buildFree('net', build);
      const updates: Record<string, LayerUpdate[]> = {};
      let expected = sample.weights;
      for (const node of sample.graph.nodes) {
        const source = sample.graph.values[node.inputs[1] ?? 0]!.source;
        if ((node.op !== 'linear' && node.op !== 'conv2d') || source.kind !== 'weight') continue;
        const [out, ...inner] = expected.get(source.name)!.tensor.shape as [number, ...number[]];
        const update = { ...lowRank(source.name, 2, out, inner), scale: 0.02 };
        updates[source.name.replace(/\.weight$/, '')] = [update];
        expected = await merged(expected, source.name, [[0.5, deltaOf(update, out, inner)]]);
      }
      const result = applyLora(sample.graph, sample.weights, [lora('a', updates)]);
      expect(result.unmatched.get('a')).toEqual([]);
      const found = await runReference(optimize(result.graph), result.weights, strengths({ a: 0.5 }));
      expect(nmse(found['y']!, (await runReference(sample.graph, expected))['y']!)).toBeLessThan(1e-11);
    }
  });
});
