import { elementCount } from '../../base/shape';
import type { Activation } from './activation';
import { defineOp, required } from './define';

export type UnaryAttrs =
  | { readonly kind: Activation | 'exp' | 'sqrt' | 'rsqrt' | 'square' }
  | { readonly kind: 'leakyRelu'; readonly slope: number }
  /** scale · x + offset */
  | { readonly kind: 'affine'; readonly scale: number; readonly offset: number }
  | { readonly kind: 'clamp'; readonly min: number; readonly max: number };

/** One value in, one value out, for every element; keeps shape and layout. */
export const unary = defineOp<UnaryAttrs>()({
  name: 'unary',
  summary: 'y = f(x), element by element',
  inputs: ['x'],
  infer: (inputs) => required('unary', inputs, 0, 'x'),
  flops: (_inputs, _attrs, output) => 4 * elementCount(output.shape),
});
