/** Numbers that kernels know things by: point-wise functions (`wgsl/lib/activation.wgsl`), operands in place. */
import type { Activation } from '../../../graph/ops/activation';
import type { UnaryAttrs } from '../../../graph/ops/unary';

export const UNARY_CODES: Readonly<Record<UnaryAttrs['kind'], number>> = {
  silu: 1,
  gelu: 2,
  geluTanh: 3,
  quickGelu: 4,
  relu: 5,
  tanh: 6,
  sigmoid: 7,
  exp: 8,
  sqrt: 9,
  rsqrt: 10,
  square: 11,
  leakyRelu: 12,
  affine: 13,
  clamp: 14,
};

/** Code of an epilogue; 0 is none. */
export function activationCode(activation: Activation | undefined): number {
  return activation === undefined ? 0 : UNARY_CODES[activation];
}

/** Of kernels that read x through `wgsl/lib/source.wgsl`: their result may lie where x does. */
export const X_IN_PLACE = { x: { inPlace: 1 } } as const;
