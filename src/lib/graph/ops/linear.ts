import { elementCount } from '../../base/shape';
import type { Activation } from './activation';
import { defineOp, f32, lastAxis, required, requireShape, shapeError } from './define';

export interface LinearAttrs {
  /** Applied after the bias, before the residual. */
  readonly activation?: Activation;
}

/** Fully connected layer over the last axis. x `[..., K]`, weight `[N, K]` as PyTorch stores it, y `[..., N]`. */
export const linear = defineOp<LinearAttrs>()({
  name: 'linear',
  summary: 'y = activation(x · weightᵀ + bias) + residual',
  inputs: ['x', 'weight', 'bias?', 'residual?'],
  infer(inputs) {
    const x = required('linear', inputs, 0, 'x');
    const k = lastAxis('linear', 'x', x);
    const weight = required('linear', inputs, 1, 'weight').shape;
    const [n, wk] = weight;
    if (n === undefined || weight.length !== 2) throw shapeError('linear', 'weight must be [N, K]', weight);
    if (wk !== k) throw shapeError('linear', `weight must take the ${k} features of x`, weight);
    requireShape('linear', 'bias', inputs[2], [n]);
    const shape = [...x.shape.slice(0, -1), n];
    requireShape('linear', 'residual', inputs[3], shape);
    return f32(shape);
  },
  flops(inputs, _attrs, output) {
    const k = required('linear', inputs, 0, 'x').shape.at(-1) ?? 0;
    return 2 * k * elementCount(output.shape);
  },
});
