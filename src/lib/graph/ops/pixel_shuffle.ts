import { defineOp, image, required, requireCount, requireImage, shapeError } from './define';

export interface PixelShuffleAttrs {
  readonly factor: number;
  /**
   * Order of the channel index: `cyx` is PyTorch's (c, dy, dx), also FLUX patches;
   * `yxc` is (dy, dx, c), the patches of Z-Image and SD3.
   */
  readonly order: 'cyx' | 'yxc';
}

/** Depth to space: `[N, C·f², H, W]` → `[N, C, H·f, W·f]`. Source: Shi et al. 2016. */
export const pixelShuffle = defineOp<PixelShuffleAttrs>()({
  name: 'pixelShuffle',
  summary: 'channels to pixels: [N, C·f², H, W] → [N, C, H·f, W·f]',
  inputs: ['x'],
  infer(inputs, { factor }) {
    const [n, c, h, w] = requireImage('pixelShuffle', 'x', required('pixelShuffle', inputs, 0, 'x'));
    requireCount('pixelShuffle', 'factor', factor);
    if (c % (factor * factor) !== 0)
      throw shapeError('pixelShuffle', `channels must be a multiple of ${factor * factor}`, c);
    return image(n, c / (factor * factor), h * factor, w * factor);
  },
  flops: () => 0,
});

/** Space to depth: the inverse of `pixelShuffle`. */
export const pixelUnshuffle = defineOp<PixelShuffleAttrs>()({
  name: 'pixelUnshuffle',
  summary: 'pixels to channels: [N, C, H·f, W·f] → [N, C·f², H, W]',
  inputs: ['x'],
  infer(inputs, { factor }) {
    const [n, c, h, w] = requireImage('pixelUnshuffle', 'x', required('pixelUnshuffle', inputs, 0, 'x'));
    requireCount('pixelUnshuffle', 'factor', factor);
    if (h % factor !== 0 || w % factor !== 0)
      throw shapeError('pixelUnshuffle', `height and width must be multiples of ${factor}`, [h, w]);
    return image(n, c * factor * factor, h / factor, w / factor);
  },
  flops: () => 0,
});
