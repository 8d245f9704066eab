import { elementCount } from '../../base/shape';
import { defineOp, required, requireShape, shapeError } from './define';

export interface LincombAttrs {
  /** One per input. */
  readonly coefficients: readonly number[];
}

/** Weighted sum of tensors of one shape. */
export const lincomb = defineOp<LincombAttrs>()({
  name: 'lincomb',
  summary: 'y = Σ coefficientᵢ · xᵢ',
  inputs: ['...xs'],
  infer(inputs, { coefficients }) {
    const first = required('lincomb', inputs, 0, 'xs[0]');
    if (coefficients.length !== inputs.length) {
      throw shapeError('lincomb', `needs ${inputs.length} coefficients`, coefficients.length);
    }
    for (const [i, x] of inputs.entries()) {
      requireShape('lincomb', `xs[${i}]`, x, first.shape);
      if (x && (x.layout !== first.layout || x.elementType !== 'f32')) {
        throw shapeError('lincomb', `xs[${i}] must be f32 and ${first.layout}`, `${x.elementType}, ${x.layout}`);
      }
    }
    return first;
  },
  flops: (inputs, _attrs, output) => 2 * inputs.length * elementCount(output.shape),
});
