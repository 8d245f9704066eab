/** What the fingerprint and the cost depend on. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import { graphCost } from '../../../src/lib/graph/cost';
import { graphHash } from '../../../src/lib/graph/hash';
import type { Graph } from '../../../src/lib/graph/ir';
import type { QuantTypeId } from '../../../src/lib/quant/registry';
import { buildGraph, unetLike } from './sample_graphs';

interface Variant {
  readonly name?: string;
  readonly rows?: number;
  readonly input?: string;
  readonly output?: string;
  readonly weight?: string;
  readonly type?: QuantTypeId;
  readonly slope?: number;
  readonly constant?: number;
  readonly tap?: true;
}

function sample(v: Variant = {}): Graph {
  const b = GraphBuilder.create(v.name ?? 'g', () => ({ type: v.type ?? 'Q8_0', shape: [32, 64] }));
  const x = b.input(v.input ?? 'x', [v.rows ?? 3, 64]);
  const y = b.op('linear', [x, b.weight(v.weight ?? 'w', [32, 64])], {});
  if (v.tap) b.tap('y', y);
  const z = b.unary(y, { kind: 'leakyRelu', slope: v.slope ?? 0.1 });
  b.output(v.output ?? 'z', b.add(z, b.constant(Float32Array.of(v.constant ?? 1), [1])));
  return b.finish();
}

describe('graphHash', () => {
  it('is the same for the same graph, whatever its name and taps', () => {
    expect(graphHash(sample())).toMatch(/^[0-9a-f]{16}$/);
    expect(graphHash(sample({ name: 'other', tap: true }))).toBe(graphHash(sample()));
  });

  it('differs in everything that a program depends on', () => {
    const variants: Variant[] = [
      {},
      { rows: 4 },
      { input: 'y' },
      { output: 'y' },
      { weight: 'v' },
      { type: 'F16' },
      { slope: 0.2 },
      { slope: 0.1000001 },
      { constant: 2 },
      { constant: -1 },
    ];
    expect(new Set(variants.map((variant) => graphHash(sample(variant)))).size).toBe(variants.length);
    const sizes = [8, 16, 24, 32].map((size) => graphHash(buildGraph('u', (b) => unetLike(b, size))));
    expect(new Set(sizes).size).toBe(4);
  });

  it('does not depend on the order in which attributes are written', () => {
    const graph = sample();
    const turned = {
      ...graph,
      nodes: graph.nodes.map((node) => ({ ...node, attrs: Object.fromEntries(Object.entries(node.attrs).reverse()) })),
    } as Graph;
    expect(graphHash(turned)).toBe(graphHash(graph));
  });
});

describe('graphCost', () => {
  it('counts operations, traffic and stored weights', () => {
    const cost = graphCost(sample());
    const weights = (32 * 64 * 34) / 32;
    expect(cost.weightsBytes).toBe(weights);
    expect([...cost.weightsBytesByType]).toEqual([['Q8_0', weights]]);
    expect(cost.byOp.get('linear')).toEqual({
      count: 1,
      flops: 2 * 3 * 32 * 64,
      bytesRead: 4 * 3 * 64 + weights,
      bytesWritten: 4 * 3 * 32,
    });
    expect(cost.flops).toBe(2 * 3 * 32 * 64 + 5 * 3 * 32);
  });

  it('reads a table by its rows, and each weight once', () => {
    const b = GraphBuilder.create('g', () => ({ type: 'F16', shape: [1000, 8] }));
    const ids = b.input('ids', [1, 5], { elementType: 'i32' });
    const [first, second] = [0, 1].map(() => b.embedding(ids, 'table', { count: 1000, width: 8 }));
    b.output('y', b.add(first!, second!));
    const cost = graphCost(b.finish());
    expect(cost.byOp.get('embedding')?.bytesRead).toBe(2 * (4 * 5 + 2 * 5 * 8));
    expect(cost.weightsBytes).toBe(16_000);
  });
});
