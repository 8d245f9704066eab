/** No two living values overlap, and little is wasted. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import type { Graph, Value } from '../../../src/lib/graph/ir';
import { liveRanges } from '../../../src/lib/graph/liveness';
import { inPlaceInputs, planMemory, type MemoryPlanOptions } from '../../../src/lib/graph/memory_plan';
import { optimize } from '../../../src/lib/graph/passes/optimize';
import { buildGraph, ditLike, unetLike } from './sample_graphs';

/** Plays the plan: writes each node's mark over its bytes, and checks that inputs still hold theirs. */
function play(graph: Graph, options: MemoryPlanOptions): void {
  const align = options.alignBytes ?? 256;
  const { placements, peakBytes } = planMemory(graph, options);
  // One cell per alignment unit.
  const arena = new Int32Array(peakBytes / align).fill(-1);
  /** Views hold the mark of what they show. */
  const markOf = new Map<number, number>();
  const cells = (id: number) => {
    const { offset, bytes } = placements.get(id)!;
    expect(offset % align).toBe(0);
    expect(offset + bytes).toBeLessThanOrEqual(peakBytes);
    return arena.subarray(offset / align, (offset + bytes) / align);
  };
  const write = (id: number, mark: number) => {
    markOf.set(id, mark);
    cells(id).fill(mark);
  };
  const check = (id: number) => {
    const mark = markOf.get(id);
    if (mark !== undefined) expect(cells(id).every((cell) => cell === mark)).toBe(true);
  };
  for (const id of graph.inputs.values()) write(id, id);
  for (const node of graph.nodes) {
    for (const id of node.inputs) if (id !== undefined) check(id);
    const source = node.inputs[0];
    if (node.op === 'reshape' && source !== undefined && markOf.has(source)) write(node.output, markOf.get(source)!);
    else write(node.output, node.output);
    // Nothing that is needed later was overwritten.
    for (const [id, range] of liveRanges(graph)) {
      const position = graph.nodes.indexOf(node);
      if (markOf.has(id) && range.last > position) check(id);
    }
  }
  for (const id of graph.outputs.values()) check(id);
}

/** The same rule by comparing intervals: cheaper on large graphs. Two values may share bytes only at one node, in place. */
function compare(graph: Graph): void {
  const { placements } = planMemory(graph);
  const ranges = liveRanges(graph);
  const roots = new Map<number, number>();
  for (const node of graph.nodes) {
    if (node.op === 'reshape') roots.set(node.output, roots.get(node.inputs[0]!) ?? node.inputs[0]!);
  }
  const root = (id: number) => roots.get(id) ?? id;
  const all = [...placements].map(([id, placement]) => ({ ...placement, ...ranges.get(id)! }));
  for (const a of all) {
    for (const b of all) {
      const apart =
        a.last < b.first || b.last < a.first || a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
      if (apart || root(a.id) === root(b.id)) continue;
      const [early, late] = a.first < b.first ? [a, b] : [b, a];
      const node = graph.nodes[late.first]!;
      const inPlace = inPlaceInputs(node, graph).some((position) => root(node.inputs[position]!) === root(early.id));
      expect(early.last === late.first && inPlace && early.offset === late.offset).toBe(true);
    }
  }
}

/** Random chains of unary, binary, reshape, linear, slice and concat over a pool of values. */
const anyGraph = fc
  .array(fc.tuple(fc.nat(6), fc.nat(1000), fc.nat(1000)), { minLength: 1, maxLength: 40 })
  .map((steps) => {
    const b = GraphBuilder.create('random', () => ({ type: 'F32', shape: [1] }));
    const pool: Value[] = [b.input('a', [4, 64]), b.input('b', [4, 96]), b.input('c', [4, 64])];
    for (const [kind, i, j] of steps) {
      const x = pool[i % pool.length]!;
      const alike = pool.filter((other) => other.shape.join() === x.shape.join());
      const y = alike[j % alike.length]!;
      const last = x.shape.at(-1)!;
      if (kind === 0) pool.push(b.activation(x, 'silu'));
      else if (kind === 1) pool.push(b.add(x, y));
      else if (kind === 2) pool.push(b.reshape(x, [x.shape.reduce((p, q) => p * q, 1)]));
      else if (kind === 3) pool.push(b.concat([x, y], x.shape.length - 1));
      else if (kind === 4) pool.push(b.slice(x, x.shape.length - 1, 0, Math.max(1, Math.floor(last / 2))));
      else if (kind === 5)
        pool.push(
          b.lincomb([
            [1, x],
            [2, y],
          ]),
        );
      else pool.push(b.mul(x, x));
      if (pool.at(-1)!.shape.reduce((p, q) => p * q, 1) > 100_000) pool.pop();
    }
    b.output('y', pool.at(-1)!);
    b.output('z', pool[Math.floor(pool.length / 2)]!);
    return b.finish();
  });

describe('planMemory', () => {
  it('never lets living values overlap, whatever the graph', () => {
    fc.assert(
      fc.property(anyGraph, fc.constantFrom(4, 64, 256), fc.boolean(), (graph, alignBytes, sharing) => {
        const options: MemoryPlanOptions = {
          alignBytes,
          ...(sharing ? {} : { inPlace: () => [], isView: () => false }),
        };
        play(graph, options);
        const plan = planMemory(graph, options);
        expect(plan.peakBytes).toBeGreaterThanOrEqual(plan.lowerBoundBytes);
        expect(plan.naiveBytes).toBeGreaterThanOrEqual(plan.peakBytes);
        const nothingShared = planMemory(graph, { ...options, inPlace: () => [] });
        expect(plan.lowerBoundBytes).toBeLessThanOrEqual(nothingShared.lowerBoundBytes);
      }),
      { numRuns: 200, seed: 20 },
    );
  });

  const samples: [string, () => Graph][] = [
    ['U-Net, 64 px', () => buildGraph('u', (b) => unetLike(b, 64, 32, 3))],
    ['U-Net, 96 px, 4 levels', () => buildGraph('u', (b) => unetLike(b, 96, 32, 4))],
    ['transformer, 24 blocks', () => buildGraph('d', (b) => ditLike(b, 24, 300, 64))],
  ];
  for (const [name, build] of samples) {
    for (const fused of [false, true]) {
      it(`wastes at most 15 % on a ${name}${fused ? ', fused' : ''}`, () => {
        const graph = fused ? optimize(build()) : build();
        compare(graph);
        for (const options of [{}, { inPlace: () => [] }, { bytesPerElement: 2 }] as const) {
          const plan = planMemory(graph, options);
          expect(plan.peakBytes / plan.lowerBoundBytes).toBeLessThanOrEqual(1.15);
          expect(plan.peakBytes).toBeLessThan(plan.naiveBytes / 3);
        }
      });
    }
  }

  it('overwrites a dying residual but never x, a broadcast operand or an input of the graph', () => {
    const b = GraphBuilder.create('g', () => ({ type: 'F32', shape: [8, 8] }));
    const x = b.input('x', [64, 8]);
    const h = b.activation(x, 'silu');
    const r = b.activation(x, 'gelu');
    const weight = b.weight('w', [8, 8]);
    const y = b.op('linear', [h, weight, undefined, r], {});
    const z = b.op('linear', [y, weight, undefined, y], {});
    b.output('z', z);
    const graph = b.finish();
    // One value at both places is read before its element is written.
    const squares = GraphBuilder.create('squares', () => ({ type: 'F32', shape: [8, 8] }));
    const s = squares.activation(squares.input('x', [64, 8]), 'silu');
    squares.output('y', squares.op('binary', [s, s], { kind: 'mul' }));
    const squared = squares.finish();
    expect(inPlaceInputs(squared.nodes.at(-1)!, squared)).toEqual([0, 1]);
    const { placements } = planMemory(graph);
    expect(placements.get(y.id)!.offset).toBe(placements.get(r.id)!.offset);
    expect(placements.get(z.id)!.offset).not.toBe(placements.get(y.id)!.offset);
    expect(placements.get(h.id)!.offset).not.toBe(placements.get(x.id)!.offset);
    expect(placements.has(weight.id)).toBe(false);
    expect(inPlaceInputs(graph.nodes.at(-1)!, graph)).toEqual([]);
  });

  it('leaves out what has a buffer of its own', () => {
    const b = GraphBuilder.create('g', () => undefined);
    const x = b.input('x', [64]);
    const h = b.activation(x, 'silu');
    b.output('y', b.mul(b.activation(h, 'tanh'), h));
    const graph = b.finish();
    const outside = new Set([...graph.inputs.values(), ...graph.outputs.values()]);
    const plan = planMemory(graph, { inArena: (id) => !outside.has(id) });
    expect([...plan.placements.keys()].every((id) => !outside.has(id))).toBe(true);
    expect(plan.peakBytes).toBe(512);
  });

  it('plans an empty graph', () => {
    const b = GraphBuilder.create('g', () => undefined);
    expect(planMemory(b.finish())).toMatchObject({ peakBytes: 0, naiveBytes: 0, lowerBoundBytes: 0 });
  });
});
