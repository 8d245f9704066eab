import { elementCount } from '../../base/shape';
import { defineOp, lastAxis, required, requireShape, shapeError } from './define';

export interface RmsNormAttrs {
  readonly eps: number;
  /** Width of one normalised run; divides the last axis. The head width for q/k norms, else the whole axis. */
  readonly size: number;
}

/** Root-mean-square normalisation of runs of the last axis. Source: Zhang & Sennrich 2019, eq. 4. */
export const rmsNorm = defineOp<RmsNormAttrs>()({
  name: 'rmsNorm',
  summary: 'y = x / sqrt(mean(x²) + eps) · weight, over runs of `size` elements',
  inputs: ['x', 'weight?'],
  infer(inputs, { size }) {
    const x = required('rmsNorm', inputs, 0, 'x');
    const d = lastAxis('rmsNorm', 'x', x);
    if (size < 1 || d % size !== 0) throw shapeError('rmsNorm', `size must divide the last axis of ${d}`, size);
    requireShape('rmsNorm', 'weight', inputs[1], [size]);
    return x;
  },
  flops: (_inputs, _attrs, output) => 5 * elementCount(output.shape),
});
