/** Pictures between RGBA bytes and the float tensors of autoencoders: on the device where a backend does that, else here. */
import { AppError } from '../base/errors';
import type { Backend, DeviceTensor, HostTensor } from '../backends/backend';
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
    const alpha = rgba[4 * i + 3] ?? 0;
    for (let c = 0; c < 3; c++) {
      // Whole numbers up to the one division: shaders get the same bits.
      data[c * plane + i] = ((rgba[4 * i + c] ?? 0) * alpha + 255 * (255 - alpha)) / 65025;
    }
  }
  return { shape: [1, 3, heightPx, widthPx], data };
}

/**
 * Picture `index` of `[N, 3, H, W]` in 0..1 as bytes; values are clamped and floored, as the web UIs do. Opaque, except
 * that a pixel whose values are no numbers has alpha 0, see `brokenPixel`.
 */
export function tensorToPixels(tensor: HostTensor, index = 0): PixelImage {
  const [, channels = 3, heightPx = 0, widthPx = 0] = tensor.shape;
  const plane = heightPx * widthPx;
  const rgba = new Uint8ClampedArray(4 * plane);
  const start = index * channels * plane;
  for (let i = 0; i < plane; i++) {
    let broken = false;
    for (let c = 0; c < 3; c++) {
      const value = tensor.data[start + Math.min(c, channels - 1) * plane + i] ?? NaN;
      broken ||= !Number.isFinite(value);
      rgba[4 * i + c] = Math.floor(255 * Math.min(Math.max(value, 0), 1));
    }
    if (broken) rgba.fill(0, 4 * i, 4 * i + 4);
    else rgba[4 * i + 3] = 255;
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

/** First pixel of a downloaded picture whose values were no numbers; -1 when there is none. */
export function brokenPixel({ rgba }: PixelImage): number {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] === 0) return (i - 3) / 4;
  return -1;
}

/** A picture as a program's input `[1, 3, H, W]`; dispose it. @throws AppError 'image/invalid', 'backend/…' */
export async function uploadPicture(backend: Backend, image: PixelImage): Promise<DeviceTensor> {
  assertPixels(image);
  return backend.pictures ? backend.pictures.upload(image) : backend.upload(pixelsToTensor(image));
}

/** As `tensorToPixels` of a tensor on a backend. @throws AppError 'backend/…' */
export async function downloadPicture(backend: Backend, tensor: DeviceTensor): Promise<PixelImage> {
  return backend.pictures ? backend.pictures.download(tensor) : tensorToPixels(await backend.download(tensor));
}
