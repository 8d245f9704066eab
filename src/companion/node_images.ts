/** Pictures in Node: PNG in and out. Browsers use their own codecs. */
import { inflateSync } from 'node:zlib';
import { decode, encode, type DecodedPng } from 'fast-png';
import { AppError } from '../lib/base/errors';
import { isPng, pngPixels } from '../lib/formats/png_text';
import type { PixelImage } from '../lib/rpc/engine';

/** Channels by colour type. Source: PNG 3rd edition, table 11.1. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * RGBA bytes of a PNG of any colour type and depth. Profiles and texts are left out, and pixels that inflate to more than
 * the size in the header are refused: a few kilobytes cannot become gigabytes.
 * @throws AppError 'image/invalid', 'file/…' for a damaged file
 */
export function decodePng(bytes: Uint8Array, name: string): PixelImage {
  if (!isPng(bytes)) throw unreadable(name);
  const { header, data, file } = pngPixels(bytes, name);
  let png: DecodedPng;
  try {
    inflateSync(data, { maxOutputLength: largestPixels(header) });
    png = decode(file);
  } catch (cause) {
    throw unreadable(name, cause);
  }
  return rgbaOf(png);
}

function unreadable(name: string, cause?: unknown): AppError {
  return new AppError('image/invalid', `${name}: not a PNG that can be read; convert it to PNG first.`, { cause });
}

/** Bytes of filtered rows; interlaced ones have up to twice as many rows. */
function largestPixels(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const bits = view.getUint8(8) * (CHANNELS[view.getUint8(9)] ?? 4);
  const rows = view.getUint32(4) * (view.getUint8(12) === 0 ? 1 : 2);
  return rows * (1 + Math.ceil((view.getUint32(0) * bits) / 8)) + 64;
}

function rgbaOf({ width, height, channels, depth, data, palette }: DecodedPng): PixelImage {
  const count = width * height;
  const rgba = new Uint8ClampedArray(4 * count);
  const scale = 255 / (2 ** depth - 1);
  const grey = channels < 3;
  const hasAlpha = channels === 2 || channels === 4;
  for (let i = 0; i < count; i++) {
    const entry = palette?.[data[i] ?? 0];
    for (let c = 0; c < 3; c++)
      rgba[4 * i + c] = entry ? (entry[c] ?? 0) : (data[i * channels + (grey ? 0 : c)] ?? 0) * scale;
    rgba[4 * i + 3] = entry ? (entry[3] ?? 255) : hasAlpha ? (data[i * channels + channels - 1] ?? 0) * scale : 255;
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
  for (let i = 0; i < widthPx * heightPx; i++) for (let c = 0; c < 3; c++) rgb[3 * i + c] = rgba[4 * i + c] ?? 0;
  return Uint8Array.from(encode({ width: widthPx, height: heightPx, channels: 3, depth: 8, data: rgb }));
}
