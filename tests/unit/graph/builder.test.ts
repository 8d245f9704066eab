/** What the builder refuses, and how it names the place. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/lib/graph/builder';

const create = () => GraphBuilder.create('net', () => undefined);
const refused = (build: (b: GraphBuilder) => void) =>
  expect(() => build(create().at('block.3'))).toThrow(
    expect.objectContaining({ code: 'graph/shape', message: expect.stringContaining('net, layer block.3') as string }),
  );

describe('shape rules', () => {
  const cases: Record<string, (b: GraphBuilder) => void> = {
    'conv2d of a plain tensor': (b) => b.conv2d(b.input('x', [1, 4, 8, 8]), '', { out: 4, kernel: 3 }),
    'conv2d smaller than its kernel': (b) =>
      b.conv2d(b.input('x', [1, 4, 2, 2], { layout: 'image' }), '', { out: 4, kernel: 5, pad: 0 }),
    'conv2d with stride 0': (b) =>
      b.conv2d(b.input('x', [1, 4, 8, 8], { layout: 'image' }), '', { out: 4, kernel: 3, stride: 0 }),
    'conv2d with negative padding': (b) =>
      b.conv2d(b.input('x', [1, 4, 8, 8], { layout: 'image' }), '', { out: 4, kernel: 3, pad: -1 }),
    'operands that do not broadcast': (b) => b.add(b.input('x', [2, 3]), b.input('y', [2])),
    'an image added to a plain tensor': (b) =>
      b.add(b.input('x', [1, 2, 3, 4], { layout: 'image' }), b.input('y', [1, 2, 3, 4])),
    'a reshape that loses elements': (b) => b.reshape(b.input('x', [2, 3]), [5]),
    'a transpose that repeats an axis': (b) => b.transpose(b.input('x', [2, 3]), [0, 0]),
    'a slice past the end': (b) => b.slice(b.input('x', [2, 3]), 1, 2, 2),
    'a slice at half an element': (b) => b.slice(b.input('x', [2, 3]), 1, 0.5, 1),
    'concat of unlike shapes': (b) => b.concat([b.input('x', [2, 3]), b.input('y', [3, 3])], 1),
    'heads that do not divide the width': (b) => {
      const x = b.input('x', [1, 4, 10]);
      b.attention(x, x, x, { heads: 3 });
    },
    'key heads that do not divide the heads': (b) => {
      const x = b.input('x', [1, 4, 12]);
      b.attention(x, x, x, { heads: 3, kvHeads: 2 });
    },
    'groups that do not divide the channels': (b) =>
      b.groupNorm(b.input('x', [1, 10, 2, 2], { layout: 'image' }), '', { groups: 3, eps: 0 }),
    'an odd gated width': (b) => b.gatedActivation(b.input('x', [1, 3]), { activation: 'gelu', gate: 'first' }),
    'f32 ids': (b) => b.embedding(b.input('x', [1, 3]), 't', { count: 4, width: 4 }),
    'an f32 index': (b) => b.gatherToken(b.input('x', [1, 3, 4]), b.input('i', [1])),
    'an odd timestep width': (b) => b.timestepEmbedding(b.input('t', [1]), { dim: 3 }),
    'a frequency shift that divides by zero': (b) => b.timestepEmbedding(b.input('t', [1]), { dim: 2, freqShift: 1 }),
    'an enlargement by 0': (b) => b.upsampleNearest(b.input('x', [1, 1, 2, 2], { layout: 'image' }), 0),
    'a pool by 1.5': (b) => b.averagePool(b.input('x', [1, 1, 3, 3], { layout: 'image' }), 1.5),
    'a shuffle by 0': (b) => b.pixelShuffle(b.input('x', [1, 4, 2, 2], { layout: 'image' }), 0),
    'a sum of i32': (b) => b.lincomb([[1, b.input('x', [2], { elementType: 'i32' })]]),
    'rotation with 0 heads': (b) => {
      const angles = b.input('c', [1, 3, 2]);
      b.rope(b.input('x', [1, 3, 4]), angles, angles, { heads: 0, pairing: 'halves' });
    },
  };
  for (const [name, build] of Object.entries(cases)) it(`refuse ${name}, naming the layer`, () => refused(build));
});

describe('finish', () => {
  it('lists every missing weight at once', () => {
    const b = create();
    b.output('y', b.linear(b.linear(b.input('x', [1, 4]), 'a', { out: 4 }), 'b', { out: 4 }));
    expect(() => b.finish()).toThrow(
      expect.objectContaining({
        code: 'model/missing-tensors',
        details: expect.objectContaining({ missing: ['a.weight', 'a.bias', 'b.weight', 'b.bias'] }) as object,
      }),
    );
  });

  it('refuses another shape, but not other axes of size 1', () => {
    const build = (shape: number[]) => {
      const b = GraphBuilder.create('net', () => ({ type: 'F16', shape }));
      b.output('y', b.linear(b.input('x', [1, 4]), 'a', { out: 3, bias: false }));
      return b.finish();
    };
    expect(build([3, 4, 1, 1]).nodes).toHaveLength(1);
    for (const shape of [[4, 3], [12], [3, 2, 2], [3, 5]]) {
      expect(() => build(shape)).toThrow(expect.objectContaining({ code: 'model/wrong-shape' }));
    }
  });
});
