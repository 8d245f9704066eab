import { elementCount } from '../../base/shape';
import { defineOp, required, shapeError } from './define';

export interface ReshapeAttrs {
  readonly shape: readonly number[];
}

/** Another shape for the same row-major elements of a plain tensor; costs nothing. */
export const reshape = defineOp<ReshapeAttrs>()({
  name: 'reshape',
  summary: 'y = x with another shape',
  inputs: ['x'],
  infer(inputs, { shape }) {
    const x = required('reshape', inputs, 0, 'x');
    if (x.layout !== 'plain') throw shapeError('reshape', 'x must be plain', x.layout);
    if (elementCount(shape) !== elementCount(x.shape))
      throw shapeError('reshape', `${shape.join('x')} must keep the element count`, x.shape);
    return { ...x, shape };
  },
  flops: () => 0,
});
