import { defineOp, image, required, requireCount, requireImage } from './define';

export interface UpsampleNearestAttrs {
  /** Whole number, at least 1. */
  readonly factor: number;
}

/** Repeats every pixel factor x factor times. */
export const upsampleNearest = defineOp<UpsampleNearestAttrs>()({
  name: 'upsampleNearest',
  summary: 'y[h, w] = x[⌊h/factor⌋, ⌊w/factor⌋]',
  inputs: ['x'],
  infer(inputs, { factor }) {
    const [n, c, h, w] = requireImage('upsampleNearest', 'x', required('upsampleNearest', inputs, 0, 'x'));
    requireCount('upsampleNearest', 'factor', factor);
    return image(n, c, h * factor, w * factor);
  },
  flops: () => 0,
});
