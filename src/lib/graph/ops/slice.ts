import { defineOp, required, shapeError } from './define';

export interface SliceAttrs {
  readonly axis: number;
  readonly start: number;
  readonly length: number;
}

/** A contiguous range of one axis. */
export const slice = defineOp<SliceAttrs>()({
  name: 'slice',
  summary: 'y = x[start : start + length] along one axis',
  inputs: ['x'],
  infer(inputs, { axis, start, length }) {
    const x = required('slice', inputs, 0, 'x');
    const size = x.shape[axis];
    if (size === undefined) throw shapeError('slice', `axis ${axis} must exist`, x.shape);
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(length);
    if (!whole || start < 0 || length < 1 || start + length > size) {
      throw shapeError('slice', `range must lie in 0..${size}`, `${start}..${start + length}`);
    }
    return { ...x, shape: x.shape.map((s, a) => (a === axis ? length : s)) };
  },
  flops: () => 0,
});
