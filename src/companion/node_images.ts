/** Pictures in Node: PNG in and out. Browsers use their own codecs. */
import { decode, encode, type DecodedPng } from 'fast-png';
import { AppError } from '../lib/base/errors';
import type { PixelImage } from '../lib/rpc/engine';

/**
 * RGBA bytes of a PNG of any colour type and depth.
 * @throws AppError 'image/invalid'
 */
export function decodePng(bytes: Uint8Array, name: string): PixelImage {
  let png: DecodedPng;
  try {
    png = decode(bytes);
  } catch (cause) {
    throw new AppError('image/invalid', `${name}: not a PNG that can be read; convert it to PNG first.`, { cause });
  }
  const { width, height, channels, depth, data, palette } = png;
  const rgba = new Uint8ClampedArray(4 * width * height);
  const scale = 255 / (2 ** depth - 1);
  for (let i = 0; i < width * height; i++) {
    const at = (c: number): number => (data[i * channels + c] ?? 0) * scale;
    const entry = palette?.[data[i] ?? 0];
    const grey = channels < 3;
    const colour = entry ?? (grey ? [at(0), at(0), at(0)] : [at(0), at(1), at(2)]);
    const alpha = entry ? (entry[3] ?? 255) : channels === 2 ? at(1) : channels === 4 ? at(3) : 255;
    rgba.set(
      [Math.round(colour[0] ?? 0), Math.round(colour[1] ?? 0), Math.round(colour[2] ?? 0), Math.round(alpha)],
      4 * i,
    );
  }
  return { widthPx: width, heightPx: height, rgba };
}

/** An RGB PNG, since the alpha of generated pictures is full; RGBA where alpha carries something. */
export function encodePng({ widthPx, heightPx, rgba }: PixelImage, keepAlpha = false): Uint8Array<ArrayBuffer> {
  if (keepAlpha) {
    const data = Uint8Array.from(rgba);
    return Uint8Array.from(encode({ width: widthPx, height: heightPx, channels: 4, depth: 8, data }));
  }
  const rgb = new Uint8Array(3 * widthPx * heightPx);
  for (let i = 0; i < widthPx * heightPx; i++) rgb.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  return Uint8Array.from(encode({ width: widthPx, height: heightPx, channels: 3, depth: 8, data: rgb }));
}
