import { defineOp, f32, image, required, requireImage, requireRank, shapeError } from './define';

/** Pixels in reading order as tokens: `[N, C, H, W]` → `[N, H·W, C]`. Free where images are channels-last. */
export const imageToTokens = defineOp<Record<never, never>>()({
  name: 'imageToTokens',
  summary: '[N, C, H, W] → [N, H·W, C]',
  inputs: ['x'],
  infer(inputs) {
    const [n, c, h, w] = requireImage('imageToTokens', 'x', required('imageToTokens', inputs, 0, 'x'));
    return f32([n, h * w, c]);
  },
  flops: () => 0,
});

export interface TokensToImageAttrs {
  readonly height: number;
  readonly width: number;
}

/** The inverse of `imageToTokens`. */
export const tokensToImage = defineOp<TokensToImageAttrs>()({
  name: 'tokensToImage',
  summary: '[N, H·W, C] → [N, C, H, W]',
  inputs: ['x'],
  infer(inputs, { height, width }) {
    const x = required('tokensToImage', inputs, 0, 'x');
    requireRank('tokensToImage', 'x', x, 3);
    const [n = 0, t = 0, c = 0] = x.shape;
    if (t !== height * width) throw shapeError('tokensToImage', `x must have ${height}·${width} tokens`, x.shape);
    return image(n, c, height, width);
  },
  flops: () => 0,
});

/** A vector per image as a 1x1 picture, to broadcast over pixels: `[N, C]` → `[N, C, 1, 1]`. Free. */
export const vectorToImage = defineOp<Record<never, never>>()({
  name: 'vectorToImage',
  summary: '[N, C] → [N, C, 1, 1]',
  inputs: ['x'],
  infer(inputs) {
    const x = required('vectorToImage', inputs, 0, 'x');
    requireRank('vectorToImage', 'x', x, 2);
    const [n = 0, c = 0] = x.shape;
    return image(n, c, 1, 1);
  },
  flops: () => 0,
});
