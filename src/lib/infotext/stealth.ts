/**
 * Text hidden in the lowest bits of pixels ("stealth"): in alpha, or in red, green and blue. Bits run down the
 * columns, x outer and y inner: a signature, the length in bits as 32 bits, the data. Works on RGBA arrays.
 */
import { Gunzip, gzipSync } from 'fflate';
import { AppError } from '../base/errors';

export type StealthMode = 'alpha' | 'rgb';

const SIGNATURE_BYTES = 15;
const SIGNATURES: Readonly<Record<StealthMode, { plain: string; packed: string }>> = {
  alpha: { plain: 'stealth_pnginfo', packed: 'stealth_pngcomp' },
  rgb: { plain: 'stealth_rgbinfo', packed: 'stealth_rgbcomp' },
};
const LARGEST_TEXT = 8 * 2 ** 20;
const PIECE = 4096;

export interface RgbaPixels {
  readonly widthPx: number;
  readonly heightPx: number;
  /** [height, width, 4], row-major. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Index into `data` of the channel that holds bit `i`. */
function bitIndex(pixels: RgbaPixels, mode: StealthMode, i: number): number {
  const perPixel = mode === 'alpha' ? 1 : 3;
  const pixel = Math.floor(i / perPixel);
  const x = Math.floor(pixel / pixels.heightPx);
  const y = pixel % pixels.heightPx;
  return 4 * (y * pixels.widthPx + x) + (mode === 'alpha' ? 3 : i % 3);
}

function capacityBits(pixels: RgbaPixels, mode: StealthMode): number {
  return pixels.widthPx * pixels.heightPx * (mode === 'alpha' ? 1 : 3);
}

/** The hidden text, or undefined when there is none or it is damaged. Alpha is looked at first. */
export function readStealth(pixels: RgbaPixels): string | undefined {
  return readMode(pixels, 'alpha') ?? readMode(pixels, 'rgb');
}

function readMode(pixels: RgbaPixels, mode: StealthMode): string | undefined {
  const capacity = capacityBits(pixels, mode);
  let at = 0;
  const readBytes = (count: number): Uint8Array => {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < 8 * count; i++, at++) {
      const bit = (pixels.data[bitIndex(pixels, mode, at)] ?? 0) & 1;
      if (bit) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (0x80 >> (i & 7));
    }
    return bytes;
  };
  if (capacity < 8 * (SIGNATURE_BYTES + 4)) return undefined;
  const signature = String.fromCharCode(...readBytes(SIGNATURE_BYTES));
  const { plain, packed } = SIGNATURES[mode];
  if (signature !== plain && signature !== packed) return undefined;
  const bits = new DataView(readBytes(4).buffer).getUint32(0);
  if (bits > capacity - at || bits > 8 * LARGEST_TEXT) return undefined;
  const data = readBytes(Math.floor(bits / 8));
  const text = signature === packed ? gunzip(data) : data;
  if (text === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    return undefined; // random bits after a chance match, or damaged by re-encoding
  }
}

function gunzip(data: Uint8Array): Uint8Array | undefined {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const stream = new Gunzip((piece) => {
    pieces.push(piece);
    size += piece.length;
  });
  try {
    for (let at = 0; at < data.length; at += PIECE) {
      stream.push(data.subarray(at, at + PIECE), at + PIECE >= data.length);
      if (size > LARGEST_TEXT) return undefined;
    }
  } catch {
    return undefined; // no gzip stream: no text
  }
  const out = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    out.set(piece, offset);
    offset += piece.length;
  }
  return out;
}

/**
 * Hides a gzip-packed text in pixels, in place.
 * @throws AppError 'image/invalid' when the picture is too small
 */
export function writeStealth(pixels: RgbaPixels, text: string, mode: StealthMode = 'alpha'): void {
  const body = gzipSync(new TextEncoder().encode(text), { mtime: 0 });
  const bytes = new Uint8Array(SIGNATURE_BYTES + 4 + body.length);
  bytes.set([...SIGNATURES[mode].packed].map((character) => character.charCodeAt(0)));
  new DataView(bytes.buffer).setUint32(SIGNATURE_BYTES, 8 * body.length);
  bytes.set(body, SIGNATURE_BYTES + 4);
  if (8 * bytes.length > capacityBits(pixels, mode)) {
    throw new AppError(
      'image/invalid',
      `hidden text: ${bytes.length} bytes do not fit in ${pixels.widthPx} x ${pixels.heightPx} pixels; use a text chunk.`,
    );
  }
  for (let i = 0; i < 8 * bytes.length; i++) {
    const index = bitIndex(pixels, mode, i);
    const bit = ((bytes[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
    pixels.data[index] = ((pixels.data[index] ?? 0) & 0xfe) | bit;
  }
}
