import { defineOp, required, shapeError } from './define';

export interface TransposeAttrs {
  /** Output axis i is input axis `order[i]`. At most 4 axes. */
  readonly order: readonly number[];
}

/** Permutes the axes of a plain tensor. */
export const transpose = defineOp<TransposeAttrs>()({
  name: 'transpose',
  summary: 'y = x with its axes in another order',
  inputs: ['x'],
  infer(inputs, { order }) {
    const x = required('transpose', inputs, 0, 'x');
    if (x.layout !== 'plain' || x.shape.length > 4)
      throw shapeError('transpose', 'x must be plain with at most 4 axes', x.shape);
    const seen = new Set(order);
    if (order.length !== x.shape.length || seen.size !== order.length) {
      throw shapeError('transpose', `order must name each of ${x.shape.length} axes once`, order);
    }
    const shape = order.map((axis) => {
      const size = x.shape[axis];
      if (size === undefined) throw shapeError('transpose', `axis ${axis} must exist`, x.shape);
      return size;
    });
    return { ...x, shape };
  },
  flops: () => 0,
});
