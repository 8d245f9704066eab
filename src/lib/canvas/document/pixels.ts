/**
 * Pixel formats. Layers hold premultiplied RGBA8 (what source-over, erase and resampling need, and what browsers keep
 * in canvases); the borders of the engine speak straight RGBA8 (`ImageData`, PNG). Straight → premultiplied loses
 * colour only where alpha is low; premultiplied → straight → premultiplied returns the same bytes.
 */
import { AppError } from '../../base/errors';

/** 8-bit straight RGBA, row by row: the shape of `ImageData` without the DOM. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** An image made by the engine: always its own memory, so it can be transferred to another thread. */
export interface OwnedImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** Red, green, blue, 0..255. */
export type Rgb = readonly [number, number, number];

/** `round(x / 255)` for whole x in 0..65535, without a division. */
export function div255(x: number): number {
  return ((x + 128) * 257) >>> 16;
}

/** Straight → premultiplied; a new array. */
export function premultiply(straight: Uint8Array | Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(straight.length);
  for (let i = 0; i < straight.length; i += 4) {
    const alpha = straight[i + 3] as number;
    if (alpha === 255) {
      out[i] = straight[i] as number;
      out[i + 1] = straight[i + 1] as number;
      out[i + 2] = straight[i + 2] as number;
    } else if (alpha !== 0) {
      out[i] = div255((straight[i] as number) * alpha);
      out[i + 1] = div255((straight[i + 1] as number) * alpha);
      out[i + 2] = div255((straight[i + 2] as number) * alpha);
    }
    out[i + 3] = alpha;
  }
  return out;
}

/** Premultiplied → straight, written over the input's own memory, which is returned as a clamped view. */
export function unpremultiplyInPlace(pixels: Uint8Array<ArrayBuffer>): Uint8ClampedArray<ArrayBuffer> {
  for (let i = 0; i < pixels.length; i += 4) {
    const alpha = pixels[i + 3] as number;
    if (alpha === 255 || alpha === 0) continue;
    const scale = 255 / alpha;
    pixels[i] = Math.min(255, Math.round((pixels[i] as number) * scale));
    pixels[i + 1] = Math.min(255, Math.round((pixels[i + 1] as number) * scale));
    pixels[i + 2] = Math.min(255, Math.round((pixels[i + 2] as number) * scale));
  }
  return new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length);
}

/** @throws AppError `canvas/invalid` when sizes are no positive whole numbers or the bytes do not fill them */
export function assertImage(where: string, image: PixelImage): void {
  const { width, height, data } = image;
  const whole = Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0;
  if (!whole || data.length !== width * height * 4) {
    throw new AppError(
      'canvas/invalid',
      `${where}: an image needs width × height × 4 bytes, got ${width} × ${height} with ${data.length} bytes; decode it again.`,
      { details: { width, height, bytes: data.length } },
    );
  }
}
