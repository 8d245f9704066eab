/** Bytes of PNG texts: inflating with a cap, character sets. */
import { Inflate } from 'fflate';
import type { AppError } from '../base/errors';
import { fileError } from './format_error';

/** Inflated bytes that all texts of a file may still take; counted down. */
export interface TextBudget {
  left: number;
}

const LARGEST_TEXT = 8 * 2 ** 20;
const LARGEST_RATIO = 100;
/** Below this size the ratio says nothing: short texts of one letter pack very well. */
const RATIO_FROM = 2 ** 20;
/** Fed piece by piece, so that a bomb is noticed after at most about half a MiB more. */
const PIECE = 512;

/** Inflates a zlib stream (RFC 1950), checksum included. @returns the bytes, or the reason why not */
export function inflateText(packed: Uint8Array, budget: TextBudget, where: string): Uint8Array | AppError {
  const bad = (what: string, cause?: unknown): AppError =>
    fileError('file/bad-text-chunk', where, what, cause === undefined ? {} : { cause });
  const [cmf = 0, flags = 0] = packed;
  if (packed.length < 6 || (cmf & 15) !== 8 || (cmf * 256 + flags) % 31 !== 0 || (flags & 32) !== 0) {
    return bad('the text is not a zlib stream');
  }
  const body = packed.subarray(2, -4);
  const pieces: Uint8Array[] = [];
  let size = 0;
  const inflater = new Inflate((piece) => {
    size += piece.length;
    pieces.push(piece);
  });
  try {
    for (let at = 0; at < body.length || at === 0; at += PIECE) {
      inflater.push(body.subarray(at, at + PIECE), at + PIECE >= body.length);
      const tooDense = size > RATIO_FROM && size > LARGEST_RATIO * packed.length;
      if (size > Math.min(LARGEST_TEXT, budget.left) || tooDense) {
        return fileError('file/zip-bomb', where, `the text inflates to more than ${size} bytes`, { details: { size } });
      }
    }
  } catch (cause) {
    return bad('the zlib stream is damaged', cause);
  }
  const out = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    out.set(piece, offset);
    offset += piece.length;
  }
  const wanted = new DataView(packed.buffer, packed.byteOffset + packed.length - 4, 4).getUint32(0);
  if (adler32(out) !== wanted) return bad('the checksum of the zlib stream is wrong');
  budget.left -= size;
  return out;
}

/** Adler-32 (RFC 1950, 8.2). */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  // 3850 additions of at most 255 keep b below 2^31.
  for (let start = 0; start < bytes.length; start += 3850) {
    const end = Math.min(start + 3850, bytes.length);
    for (let i = start; i < end; i++) {
      a += bytes[i] ?? 0;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return b * 65536 + a;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Text of bytes. `latin-1-or-utf-8` takes UTF-8 when the bytes are valid UTF-8 beyond ASCII, because some programs
 * put UTF-8 where Latin-1 belongs.
 * @returns undefined for invalid UTF-8
 */
export function decodeTextBytes(bytes: Uint8Array, charset: 'utf-8' | 'latin-1-or-utf-8'): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return charset === 'utf-8' ? undefined : latin1Text(bytes); // the question was whether it is UTF-8
  }
}

function latin1Text(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return pieces.join('');
}

/** Latin-1 bytes of a text, undefined when it has other characters. */
export function latin1Bytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) return undefined;
    bytes[i] = code;
  }
  return bytes;
}
