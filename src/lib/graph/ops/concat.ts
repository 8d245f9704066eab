import { defineOp, required, shapeError } from './define';

export interface ConcatAttrs {
  readonly axis: number;
}

/** Joins tensors along one axis. */
export const concat = defineOp<ConcatAttrs>()({
  name: 'concat',
  summary: 'y = x₀ ‖ x₁ ‖ … along one axis',
  inputs: ['...xs'],
  infer(inputs, { axis }) {
    const first = required('concat', inputs, 0, 'xs[0]');
    if (axis < 0 || axis >= first.shape.length) throw shapeError('concat', `axis ${axis} must exist`, first.shape);
    let total = 0;
    for (const [i] of inputs.entries()) {
      const x = required('concat', inputs, i, `xs[${i}]`);
      const fits =
        x.layout === first.layout &&
        x.elementType === first.elementType &&
        x.shape.length === first.shape.length &&
        x.shape.every((size, a) => a === axis || size === first.shape[a]);
      if (!fits)
        throw shapeError('concat', `xs[${i}] must match xs[0] ${first.shape.join('x')} off axis ${axis}`, x.shape);
      total += x.shape[axis] ?? 0;
    }
    return { ...first, shape: first.shape.map((size, a) => (a === axis ? total : size)) };
  },
  flops: () => 0,
});
