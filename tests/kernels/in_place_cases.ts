/** Graphs whose last tensor but one dies where the result is written; what each must compute is the reference's word. */
import type { OpCaseData } from '../../src/lib/backends/op_cases/op_case';
import type { Value } from '../../src/lib/graph/ir';
import { Scope } from './fusion_cases';

export interface InPlaceCase {
  readonly name: string;
  /** The file whose kernel works in place, and the binding that `y` replaces. */
  readonly file: string;
  readonly binding: string;
  readonly build: (lives?: boolean) => OpCaseData;
}

const conv = { stride: 1, padMode: 'zeros', upsample: 1, pad: [1, 1, 1, 1] } as const;

/**
 * input → t → operator → result, all between other operators, so that t and the result lie in the arena.
 * @param lives  t is read again afterwards, so that nothing may take its place
 */
function around(
  shape: readonly number[],
  make: (s: Scope, t: Value) => Value,
  layout: 'plain' | 'image' = 'plain',
): InPlaceCase['build'] {
  return (lives = false) => {
    const s = new Scope();
    const t = s.g.unary(s.input('x', shape, layout), { kind: 'exp' });
    const y = s.g.unary(make(s, t), { kind: 'affine', scale: 0.5, offset: 0.25 });
    return s.finish(lives ? s.g.op('binary', [y, t], { kind: 'add' }) : y);
  };
}

const TOKENS = [2, 5, 68] as const;
const IMAGE = [2, 8, 5, 7] as const;

export const IN_PLACE_CASES: readonly InPlaceCase[] = [
  {
    name: 'unary',
    file: 'unary',
    binding: 'x',
    build: around(TOKENS, (s, t) => s.g.unary(t, { kind: 'sqrt' })),
  },
  {
    name: 'binary, left',
    file: 'binary',
    binding: 'a',
    build: around(
      IMAGE,
      (s, t) => s.g.op('binary', [t, s.input('b', [2, 8, 1, 1], 'image')], { kind: 'mul' }),
      'image',
    ),
  },
  {
    name: 'binary, right',
    file: 'binary',
    binding: 'b',
    build: around(TOKENS, (s, t) => s.g.op('binary', [s.input('b', [5, 68]), t], { kind: 'sub' })),
  },
  {
    name: 'lincomb',
    file: 'lincomb',
    binding: 'x0',
    build: around(TOKENS, (s, t) =>
      s.g.op('lincomb', [t, s.input('b', TOKENS), s.input('c', TOKENS)], { coefficients: [2, -3, 0.5] }),
    ),
  },
  {
    name: 'modulate',
    file: 'modulate',
    binding: 'x',
    build: around(TOKENS, (s, t) =>
      s.g.op('modulate', [t, s.input('scale', [2, 1, 68]), s.input('shift', [2, 1, 68])], {}),
    ),
  },
  {
    name: 'layer norm',
    file: 'row_norm',
    binding: 'x',
    build: around(TOKENS, (s, t) =>
      s.g.op('layerNorm', [t, s.weight('n.w', [68]), s.weight('n.b', [68])], { eps: 1e-6 }),
    ),
  },
  {
    name: 'group norm',
    file: 'group_norm_apply',
    binding: 'x',
    build: around(
      IMAGE,
      (s, t) => s.g.op('groupNorm', [t, s.weight('n.w', [8]), s.weight('n.b', [8])], { groups: 4, eps: 1e-5 }),
      'image',
    ),
  },
  {
    name: 'rope',
    file: 'rope',
    binding: 'x',
    build: around(TOKENS, (s, t) =>
      s.g.op('rope', [t, s.input('cos', [1, 5, 17]), s.input('sin', [1, 5, 17])], { heads: 2, pairing: 'halves' }),
    ),
  },
  {
    name: 'linear, residual',
    file: 'lib/epilogue',
    binding: 'residual',
    build: around(TOKENS, (s, t) => {
      const h = s.input('h', [2, 5, 24]);
      return s.g.op('linear', [h, s.matrix([68, 24]), s.weight('b', [68]), t], { activation: 'silu' });
    }),
  },
  {
    name: 'convolution, residual',
    file: 'lib/epilogue',
    binding: 'residual',
    build: around(
      IMAGE,
      (s, t) => s.g.op('conv2d', [s.input('h', [2, 4, 5, 7], 'image'), s.matrix([8, 4, 3, 3]), undefined, t], conv),
      'image',
    ),
  },
];
