import type { Activation } from './activation';
import { defineOp, image, required, requireCount, requireImage, requireShape, shapeError } from './define';

export interface Conv2dAttrs {
  readonly stride: number;
  /** Top, right, bottom, left, in input pixels. */
  readonly pad: readonly [number, number, number, number];
  /** `circular` wraps around (the tiling option); `zeros` everywhere else. */
  readonly padMode: 'zeros' | 'circular';
  /** Nearest-neighbour enlargement of x before the convolution, without writing the large image. */
  readonly upsample: 1 | 2;
  /** Applied after the bias, before the residual. */
  readonly activation?: Activation;
}

/** Convolution over images, cross-correlation as in PyTorch. Weight `[OC, IC, KH, KW]`. */
export const conv2d = defineOp<Conv2dAttrs>()({
  name: 'conv2d',
  summary: 'y = activation(conv(upsample(x), weight) + bias) + residual',
  inputs: ['x', 'weight', 'bias?', 'residual?'],
  infer(inputs, { stride, pad, upsample }) {
    const [n, c, h, w] = requireImage('conv2d', 'x', required('conv2d', inputs, 0, 'x'));
    const weight = required('conv2d', inputs, 1, 'weight').shape;
    const [oc, ic, kh, kw] = weight;
    if (oc === undefined || ic === undefined || kh === undefined || kw === undefined || weight.length !== 4) {
      throw shapeError('conv2d', 'weight must be [OC, IC, KH, KW]', weight);
    }
    if (ic !== c) throw shapeError('conv2d', `weight must take the ${c} channels of x`, weight);
    requireCount('conv2d', 'stride', stride);
    if (!pad.every((side) => Number.isSafeInteger(side) && side >= 0)) {
      throw shapeError('conv2d', 'pad must be whole numbers from 0 on', pad);
    }
    requireShape('conv2d', 'bias', inputs[2], [oc]);
    const oh = Math.floor((h * upsample + pad[0] + pad[2] - kh) / stride) + 1;
    const ow = Math.floor((w * upsample + pad[1] + pad[3] - kw) / stride) + 1;
    if (oh < 1 || ow < 1)
      throw shapeError('conv2d', `the image must be at least as large as the ${kh}x${kw} kernel`, [h, w]);
    requireShape('conv2d', 'residual', inputs[3], [n, oc, oh, ow]);
    return image(n, oc, oh, ow);
  },
  flops(inputs, _attrs, output) {
    const [, ic = 0, kh = 0, kw = 0] = required('conv2d', inputs, 1, 'weight').shape;
    return 2 * ic * kh * kw * output.shape.reduce((a, b) => a * b, 1);
  },
});
