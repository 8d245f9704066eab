import { elementCount } from '../../base/shape';
import { defineOp, required, requireRank, requireShape } from './define';

/** Adaptive normalisation of DiT blocks. x `[N, T, D]`, scale and shift `[N, 1, D]`. Source: Peebles & Xie 2023. */
export const modulate = defineOp<Record<never, never>>()({
  name: 'modulate',
  summary: 'y = x · (1 + scale) + shift',
  inputs: ['x', 'scale', 'shift?'],
  infer(inputs) {
    const x = required('modulate', inputs, 0, 'x');
    requireRank('modulate', 'x', x, 3);
    const [n = 0, , d = 0] = x.shape;
    requireShape('modulate', 'scale', required('modulate', inputs, 1, 'scale'), [n, 1, d]);
    requireShape('modulate', 'shift', inputs[2], [n, 1, d]);
    return x;
  },
  flops: (_inputs, _attrs, output) => 3 * elementCount(output.shape),
});
