import { elementCount } from '../../base/shape';
import { defineOp, required, requireCount, requireRank, requireShape, shapeError } from './define';

export interface RopeAttrs {
  readonly heads: number;
  /** Rotated pairs: (0,1), (2,3)… in FLUX and Z-Image; (0, D/2), (1, D/2+1)… in Qwen. */
  readonly pairing: 'interleaved' | 'halves';
}

/**
 * Rotary position embedding. x `[N, T, heads·D]`; cos and sin `[N|1, T, D/2]`, computed by the caller from positions.
 * Source: Su et al. 2021.
 */
export const rope = defineOp<RopeAttrs>()({
  name: 'rope',
  summary: '(a, b) → (a·cos - b·sin, a·sin + b·cos), per pair and head',
  inputs: ['x', 'cos', 'sin'],
  infer(inputs, { heads }) {
    const x = required('rope', inputs, 0, 'x');
    requireRank('rope', 'x', x, 3);
    const [n = 0, t = 0, width = 0] = x.shape;
    requireCount('rope', 'heads', heads);
    const d = width / heads;
    if (!Number.isInteger(d) || d % 2 !== 0)
      throw shapeError('rope', `width must be ${heads} heads of even size`, x.shape);
    const cos = required('rope', inputs, 1, 'cos');
    const batch = cos.shape[0] === 1 ? 1 : n;
    requireShape('rope', 'cos', cos, [batch, t, d / 2]);
    requireShape('rope', 'sin', required('rope', inputs, 2, 'sin'), [batch, t, d / 2]);
    return x;
  },
  flops: (_inputs, _attrs, output) => 3 * elementCount(output.shape),
});
