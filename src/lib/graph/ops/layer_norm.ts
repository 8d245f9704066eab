import { elementCount } from '../../base/shape';
import { defineOp, lastAxis, required, requireShape } from './define';

export interface LayerNormAttrs {
  readonly eps: number;
}

/** Layer normalisation over the last axis, population variance; weight and bias are optional. Source: Ba et al. 2016. */
export const layerNorm = defineOp<LayerNormAttrs>()({
  name: 'layerNorm',
  summary: 'y = (x - mean) / sqrt(var + eps) · weight + bias, over the last axis',
  inputs: ['x', 'weight?', 'bias?'],
  infer(inputs) {
    const x = required('layerNorm', inputs, 0, 'x');
    const d = lastAxis('layerNorm', 'x', x);
    requireShape('layerNorm', 'weight', inputs[1], [d]);
    requireShape('layerNorm', 'bias', inputs[2], [d]);
    return x;
  },
  flops: (_inputs, _attrs, output) => 8 * elementCount(output.shape),
});
