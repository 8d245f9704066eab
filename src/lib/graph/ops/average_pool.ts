import { elementCount } from '../../base/shape';
import { defineOp, image, required, requireCount, requireImage, shapeError } from './define';

export interface AveragePoolAttrs {
  /** Window and stride, in pixels; divides height and width. */
  readonly size: number;
}

/** Mean over size x size windows that do not overlap. */
export const averagePool = defineOp<AveragePoolAttrs>()({
  name: 'averagePool',
  summary: 'y = mean over size x size windows',
  inputs: ['x'],
  infer(inputs, { size }) {
    const [n, c, h, w] = requireImage('averagePool', 'x', required('averagePool', inputs, 0, 'x'));
    requireCount('averagePool', 'size', size);
    if (h % size !== 0 || w % size !== 0)
      throw shapeError('averagePool', `height and width must be multiples of ${size}`, [h, w]);
    return image(n, c, h / size, w / size);
  },
  flops: (inputs) => elementCount(required('averagePool', inputs, 0, 'x').shape),
});
