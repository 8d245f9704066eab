import { elementCount } from '../../base/shape';
import type { Activation } from './activation';
import { defineOp, required, requireImage, requireShape, shapeError } from './define';

export interface GroupNormAttrs {
  /** Divides the channels; 32 in Stable Diffusion. */
  readonly groups: number;
  readonly eps: number;
  readonly activation?: Activation;
}

/** Group normalisation over images, population variance. Source: Wu & He 2018, eq. 1. */
export const groupNorm = defineOp<GroupNormAttrs>()({
  name: 'groupNorm',
  summary: 'y = activation((x - mean) / sqrt(var + eps) · weight + bias), per image and group',
  inputs: ['x', 'weight', 'bias'],
  infer(inputs, { groups }) {
    const x = required('groupNorm', inputs, 0, 'x');
    const [, c] = requireImage('groupNorm', 'x', x);
    if (groups < 1 || c % groups !== 0) throw shapeError('groupNorm', `groups must divide ${c} channels`, groups);
    requireShape('groupNorm', 'weight', required('groupNorm', inputs, 1, 'weight'), [c]);
    requireShape('groupNorm', 'bias', required('groupNorm', inputs, 2, 'bias'), [c]);
    return x;
  },
  flops: (_inputs, _attrs, output) => 8 * elementCount(output.shape),
});
