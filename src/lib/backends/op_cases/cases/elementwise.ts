import { ACTIVATIONS } from '../../../graph/ops/activation';
import type { UnaryAttrs } from '../../../graph/ops/unary';
import { ARITHMETIC, TRANSCENDENTAL } from '../bounds';
import { opCase, type OpCase } from '../op_case';

function unary(shape: readonly number[], attrs: UnaryAttrs, layout: 'plain' | 'image', why: string): OpCase {
  const exact = ['relu', 'square', 'leakyRelu', 'affine', 'clamp'].includes(attrs.kind);
  const bound = exact ? ARITHMETIC : TRANSCENDENTAL;
  return opCase('unary', { ...attrs, shape, layout }, { why, bound }, (s) => {
    // Roots take what lies above zero.
    const positive = attrs.kind === 'sqrt' || attrs.kind === 'rsqrt';
    const options = positive ? { scale: 0.2, offset: 2 } : { scale: 3 };
    return s.g.unary(layout === 'image' ? s.image('x', shape, options) : s.plain('x', shape, options), attrs);
  });
}

function binary(kind: 'add' | 'sub' | 'mul', a: readonly number[], b: readonly number[], image: boolean, why: string) {
  return opCase('binary', { kind, a, b, layout: image ? 'image' : 'plain' }, { why, bound: ARITHMETIC }, (s) => {
    const make = (name: string, shape: readonly number[]) => (image ? s.image(name, shape) : s.plain(name, shape));
    return s.g.op('binary', [make('a', a), make('b', b)], { kind });
  });
}

const extremes = Float32Array.of(-3e4, -88, -20, -1, -1e-3, 0, 1e-3, 1, 20, 88, 3e4);

export const elementwiseCases: readonly OpCase[] = [
  ...ACTIVATIONS.map((kind) => unary([3, 37], { kind }, 'plain', 'activation')),
  ...ACTIVATIONS.map((kind) =>
    opCase('unary', { kind, x: 'extremes' }, { why: 'neither overflow nor NaN at ±3e4', bound: TRANSCENDENTAL }, (s) =>
      s.g.activation(s.data('x', [extremes.length], extremes), kind),
    ),
  ),
  ...(['exp', 'sqrt', 'rsqrt', 'square'] as const).map((kind) => unary([2, 33], { kind }, 'plain', 'function')),
  unary([5, 13], { kind: 'leakyRelu', slope: 0.2 }, 'plain', 'upscalers'),
  unary([5, 13], { kind: 'affine', scale: 0.5, offset: 0.25 }, 'plain', 'value ranges'),
  unary([5, 13], { kind: 'clamp', min: -1, max: 1 }, 'plain', 'clamp'),
  unary([2, 3, 5, 7], { kind: 'silu' }, 'image', 'picture'),
  unary([1], { kind: 'silu' }, 'plain', 'one element'),
  unary([70_001], { kind: 'relu' }, 'plain', 'more than one row of workgroups'),
  ...(['add', 'sub', 'mul'] as const).map((kind) => binary(kind, [2, 5, 7], [2, 5, 7], false, 'same shape')),
  binary('add', [2, 5, 7], [7], false, 'one row'),
  binary('mul', [2, 5, 7], [5, 1], false, 'one column'),
  binary('mul', [2, 5, 7], [1], false, 'a scalar: LoRA strength'),
  binary('sub', [1], [2, 5, 7], false, 'a scalar first'),
  binary('add', [2, 1, 7], [1, 5, 1], false, 'both are repeated'),
  binary('mul', [2, 3, 5, 8], [2, 1, 1, 8], false, 'four axes'),
  binary('add', [2, 6, 5, 7], [2, 6, 5, 7], true, 'pictures'),
  binary('add', [2, 6, 5, 7], [2, 6, 1, 1], true, 'time vector added to pixels'),
  binary('mul', [2, 6, 5, 7], [1, 6, 1, 1], true, 'a vector for all pictures'),
  binary('mul', [2, 6, 5, 7], [1, 1, 1, 1], true, 'a scalar times pictures'),
  binary('mul', [2, 6, 5, 7], [2, 1, 5, 7], true, 'mask'),
  opCase(
    'binary',
    { kind: 'add', a: [9], scale: 3e4 },
    { why: 'large values', bound: ARITHMETIC, f32Only: true },
    (s) => s.g.add(s.plain('a', [9], { scale: 3e4 }), s.plain('b', [9], { scale: 3e4 })),
  ),
  ...[1, 2, 3, 5].map((terms) =>
    opCase('lincomb', { terms, shape: [3, 43] }, { why: 'weighted sum', bound: ARITHMETIC }, (s) =>
      s.g.lincomb(Array.from({ length: terms }, (_, i) => [1.5 - i * 0.7, s.plain(`x${i}`, [3, 43])] as const)),
    ),
  ),
  opCase('lincomb', { terms: 2, shape: [2, 4, 5, 3] }, { why: 'pictures', bound: ARITHMETIC }, (s) =>
    s.g.lincomb([
      [0.25, s.image('x0', [2, 4, 5, 3])],
      [-2, s.image('x1', [2, 4, 5, 3])],
    ]),
  ),
  ...(['gelu', 'geluTanh', 'silu'] as const).flatMap((activation) =>
    (['first', 'second'] as const).map((gate) =>
      opCase('gatedActivation', { activation, gate, shape: [2, 7, 66] }, { why: 'gate', bound: TRANSCENDENTAL }, (s) =>
        s.g.gatedActivation(s.plain('x', [2, 7, 66]), { activation, gate }),
      ),
    ),
  ),
  opCase('gatedActivation', { shape: [1, 2] }, { why: 'one element', bound: TRANSCENDENTAL }, (s) =>
    s.g.gatedActivation(s.plain('x', [1, 2]), { activation: 'gelu', gate: 'second' }),
  ),
  ...[true, false].map((shift) =>
    opCase('modulate', { n: 2, t: 9, d: 33, shift }, { why: 'adaptive norm', bound: ARITHMETIC }, (s) =>
      s.g.modulate(
        s.plain('x', [2, 9, 33]),
        s.plain('scale', [2, 1, 33]),
        shift ? s.plain('shift', [2, 1, 33]) : undefined,
      ),
    ),
  ),
];
