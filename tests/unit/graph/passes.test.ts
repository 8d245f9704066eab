/** Passes change the list of nodes, never the result. */
import { describe, expect, it } from 'vitest';
import { nmse } from '../../../src/lib/backends/op_cases/run_op_case';
import type { GraphBuilder } from '../../../src/lib/graph/builder';
import { withTaps, type Graph } from '../../../src/lib/graph/ir';
import { fuseActivation } from '../../../src/lib/graph/passes/fuse_activation';
import { fuseResidual } from '../../../src/lib/graph/passes/fuse_residual';
import { fuseUpsample } from '../../../src/lib/graph/passes/fuse_upsample';
import { optimize, PASSES } from '../../../src/lib/graph/passes/optimize';
import { removeDeadCode } from '../../../src/lib/graph/passes/remove_dead_code';
import { buildFree, ditLike, runReference, unetLike } from './sample_graphs';

const smallUnet = (b: GraphBuilder) => unetLike(b, 8, 16);
const ops = (graph: Graph) => graph.nodes.map((node) => node.op);

async function expectSameResult(build: (b: GraphBuilder) => void, pass: (graph: Graph) => Graph): Promise<Graph> {
  const { graph, weights } = buildFree('sample', build);
  const before = JSON.stringify([...graph.nodes]);
  const changed = pass(graph);
  expect(JSON.stringify([...graph.nodes])).toBe(before);
  const [expected, found] = [await runReference(graph, weights), await runReference(changed, weights)];
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  // One rounding fewer per fused node: the intermediate stays in f64.
  for (const [name, data] of Object.entries(expected)) expect(nmse(found[name]!, data), name).toBeLessThan(1e-12);
  return changed;
}

const image = (b: GraphBuilder, name = 'x') => b.input(name, [2, 4, 6, 5], { layout: 'image' });

describe('every pass keeps the result of', () => {
  for (const [name, build] of Object.entries({ unetLike: smallUnet, ditLike: (b: GraphBuilder) => ditLike(b) })) {
    for (const pass of [...PASSES, optimize])
      it(`${name}: ${pass.name}`, () => expectSameResult(build, pass).then(() => undefined));
  }
});

describe('removeDeadCode', () => {
  it('drops what no output needs, keeps inputs, shares equal nodes', async () => {
    const graph = await expectSameResult((b) => {
      const x = image(b);
      b.input('unused', [1]);
      b.conv2d(x, 'dead', { out: 3, kernel: 3 });
      b.output('y', b.add(b.activation(x, 'silu'), b.activation(x, 'silu')));
    }, removeDeadCode);
    expect(ops(graph)).toEqual(['unary', 'binary']);
    expect([...graph.inputs.keys()]).toEqual(['x', 'unused']);
    expect(graph.values.some((value) => value.source.kind === 'weight')).toBe(false);
  });
});

describe('fuseActivation', () => {
  it('takes the activation into the layer before', async () => {
    const graph = await expectSameResult((b) => {
      let h = b.activation(b.conv2d(image(b), 'conv', { out: 8, kernel: 3 }), 'gelu');
      h = b.activation(b.groupNorm(h, 'norm', { eps: 1e-5, groups: 4 }), 'silu');
      b.output('y', b.activation(b.linear(b.imageToTokens(h), 'fc', { out: 3 }), 'tanh'));
    }, fuseActivation);
    expect(ops(graph)).toEqual(['conv2d', 'groupNorm', 'imageToTokens', 'linear']);
  });

  it('leaves a layer alone that is read twice, is an output, or has an activation or residual already', async () => {
    const build = (b: GraphBuilder) => {
      const twice = b.conv2d(image(b), 'twice', { out: 4, kernel: 3 });
      const shown = b.conv2d(b.activation(twice, 'silu'), 'shown', { out: 4, kernel: 3 });
      b.output('shown', shown);
      const active = b.conv2d(b.add(b.activation(shown, 'silu'), twice), 'active', {
        out: 4,
        kernel: 3,
        activation: 'relu',
      });
      b.output('y', b.activation(active, 'silu'));
    };
    expect(ops(await expectSameResult(build, fuseActivation)).filter((op) => op === 'unary').length).toBe(3);
    const residual = (b: GraphBuilder) => {
      const x = image(b);
      b.output('y', b.activation(b.add(b.conv2d(x, 'c', { out: 4, kernel: 3 }), x), 'silu'));
    };
    expect(ops(await expectSameResult(residual, optimize))).toEqual(['conv2d', 'unary']);
  });
});

describe('fuseResidual', () => {
  it('adds in the epilogue of the later layer, which moves behind the other', async () => {
    const graph = await expectSameResult((b) => {
      const x = image(b);
      const h = b.conv2d(x, 'a', { out: 4, kernel: 3 });
      b.output('y', b.add(b.conv2d(x, 'b', { out: 4, kernel: 1 }), h));
    }, fuseResidual);
    expect(graph.nodes.map((node) => node.scope)).toEqual(['a', 'b']);
  });

  it('chains residuals of residuals', async () => {
    const graph = await expectSameResult((b) => {
      let h: ReturnType<typeof image> = image(b);
      for (let i = 0; i < 4; i++) h = b.add(b.conv2d(h, `c${i}`, { out: 4, kernel: 3 }), h);
      b.output('y', h);
    }, fuseResidual);
    expect(ops(graph)).toEqual(['conv2d', 'conv2d', 'conv2d', 'conv2d']);
  });

  it('does not take a repeated operand, the same value twice, or a layer that already has a residual', async () => {
    await expectSameResult(
      (b) => {
        const x = image(b);
        const h = b.conv2d(x, 'a', { out: 4, kernel: 3 });
        const vector = b.input('v', [2, 4, 1, 1], { layout: 'image' });
        const one = b.add(h, vector);
        const two = b.conv2d(one, 'b', { out: 4, kernel: 3 });
        const three = b.conv2d(b.add(two, two), 'c', { out: 4, kernel: 3 });
        b.output('y', b.add(b.add(three, x), one));
      },
      (graph) => {
        const fused = fuseResidual(graph);
        expect(ops(fused)).toEqual(['conv2d', 'binary', 'conv2d', 'binary', 'conv2d', 'binary']);
        return fused;
      },
    );
  });
});

describe('fuseUpsample', () => {
  it('lets convolutions enlarge as they read', async () => {
    const graph = await expectSameResult((b) => {
      const large = b.upsampleNearest(image(b), 2);
      b.output('y', b.add(b.conv2d(large, 'a', { out: 4, kernel: 3 }), b.conv2d(large, 'b', { out: 4, kernel: 1 })));
    }, fuseUpsample);
    expect(ops(graph)).toEqual(['conv2d', 'conv2d', 'binary']);
  });

  it('keeps the large picture when something else reads it', async () => {
    const graph = await expectSameResult((b) => {
      const large = b.upsampleNearest(image(b), 2);
      b.output('y', b.conv2d(large, 'a', { out: 4, kernel: 3 }));
      b.output('large', large);
    }, fuseUpsample);
    expect(ops(graph)).toEqual(['upsampleNearest', 'conv2d']);
  });
});

it('outputs made from taps survive optimisation', async () => {
  const { graph, weights } = buildFree('sample', smallUnet);
  const tapped = withTaps(graph);
  const [expected, found] = [await runReference(tapped, weights), await runReference(optimize(tapped), weights)];
  expect(nmse(found['mid']!, expected['mid']!)).toBeLessThan(1e-12);
});
