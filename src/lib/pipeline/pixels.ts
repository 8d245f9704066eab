/** Pictures between RGBA bytes and the float tensors of autoencoders. */
import { AppError } from '../base/errors';
import type { HostTensor } from '../backends/backend';
import type { PixelImage } from '../rpc/engine';

/**
 * RGB of a picture over a white background, as `[1, 3, H, W]` in 0..1.
 * @throws AppError 'image/invalid' when the byte count does not fit the size
 */
export function pixelsToTensor(image: PixelImage): HostTensor {
  const { widthPx, heightPx, rgba } = image;
  assertPixels(image);
  const plane = widthPx * heightPx;
  const data = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    const alpha = (rgba[4 * i + 3] ?? 0) / 255;
    for (let c = 0; c < 3; c++) {
      data[c * plane + i] = ((rgba[4 * i + c] ?? 0) / 255) * alpha + (1 - alpha);
    }
  }
  return { shape: [1, 3, heightPx, widthPx], data };
}

/** Picture `index` of `[N, 3, H, W]` in 0..1 as bytes; values are clamped and floored, as the web UIs do. */
export function tensorToPixels(tensor: HostTensor, index = 0): PixelImage {
  const [, channels = 3, heightPx = 0, widthPx = 0] = tensor.shape;
  const plane = heightPx * widthPx;
  const rgba = new Uint8ClampedArray(4 * plane);
  const start = index * channels * plane;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) {
      const value = tensor.data[start + Math.min(c, channels - 1) * plane + i] ?? 0;
      rgba[4 * i + c] = Math.floor(255 * Math.min(Math.max(value, 0), 1));
    }
    rgba[4 * i + 3] = 255;
  }
  return { widthPx, heightPx, rgba };
}

/** @throws AppError 'image/invalid' */
export function assertPixels({ widthPx, heightPx, rgba }: PixelImage): void {
  const sized = Number.isInteger(widthPx) && Number.isInteger(heightPx) && widthPx > 0 && heightPx > 0;
  if (!sized || rgba.length !== 4 * widthPx * heightPx) {
    throw new AppError(
      'image/invalid',
      `picture: ${widthPx}x${heightPx} needs ${4 * widthPx * heightPx} bytes, got ${rgba.length}; open the picture again.`,
      { details: { widthPx, heightPx, bytes: rgba.length } },
    );
  }
}
