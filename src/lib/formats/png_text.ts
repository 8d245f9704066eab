/**
 * PNG text chunks: reading with limits and writing. Pixels are other people's work (canvas in the browser).
 * Chunk layout (PNG 3rd edition, 5.3): length u32 BE, type, data, CRC-32 of type and data.
 */
import { concatBytes } from '../base/concat_bytes';
import type { AppError } from '../base/errors';
import { crc32 } from './crc32';
import { fileError } from './format_error';
import { decodeTextBytes, inflateText, latin1Bytes } from './png_text_bytes';
import type { TextBudget } from './png_text_bytes';

const PNG_SIGNATURE: readonly number[] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_LIMITS = {
  textChunks: 1000,
  /** Inflated bytes of one text and of all together. */
  textBytes: 8 * 2 ** 20,
  allTextBytes: 16 * 2 ** 20,
  pixels: 2 ** 28,
} as const;

export interface PngText {
  readonly chunk: 'tEXt' | 'zTXt' | 'iTXt';
  readonly keyword: string;
  readonly text: string;
}

export interface PngContents {
  readonly widthPx: number;
  readonly heightPx: number;
  /** All texts in file order, also behind the pixels; a keyword may occur twice. */
  readonly texts: readonly PngText[];
  /** Contents of an eXIf chunk: a TIFF block. */
  readonly exif?: Uint8Array;
  /** Texts that could not be used; the rest of the file is fine. */
  readonly problems: readonly AppError[];
}

interface Chunk {
  readonly type: string;
  /** Of the length field. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly crc: number;
}

const HEADER_BYTES = 8;
const FRAME_BYTES = 12;

/** True when the bytes begin like a PNG. */
export function isPng(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads size and texts of a PNG.
 * @param name  named in errors
 * @throws AppError 'file/bad-magic', 'file/truncated-header', 'file/bad-chunk-order', 'file/bad-chunk-type',
 *   'file/bad-crc' (IHDR), 'file/bad-shape', 'file/shape-overflow', 'file/out-of-bounds'; a damaged text is no error
 *   but a problem
 */
export function readPng(bytes: Uint8Array, name = 'png'): PngContents {
  const texts: PngText[] = [];
  const problems: AppError[] = [];
  const budget: TextBudget = { left: PNG_LIMITS.allTextBytes };
  let size: { widthPx: number; heightPx: number } | undefined;
  let exif: Uint8Array | undefined;
  let textChunks = 0;
  for (const chunk of chunks(bytes, name)) {
    if (size === undefined) size = readHeader(chunk, name);
    if (chunk.type === 'eXIf') exif = chunk.data;
    if (!isTextType(chunk.type)) continue;
    textChunks++;
    if (textChunks > PNG_LIMITS.textChunks) {
      const limit = `more than ${PNG_LIMITS.textChunks} text chunks`;
      problems.push(fileError('file/count-overflow', name, limit, { details: { textChunks } }));
      break;
    }
    const result = readText(chunk, chunk.type, budget, name);
    if ('keyword' in result) texts.push(result);
    else problems.push(result);
  }
  if (size === undefined) throw fileError('file/truncated-header', name, 'the file ends behind the signature');
  return { ...size, texts, problems, ...(exif === undefined ? {} : { exif }) };
}

/** What decoders of pixels need of a PNG: the file without its ancillary chunks, and the compressed pixels. */
export interface PngPixels {
  /** IHDR's contents. */
  readonly header: Uint8Array;
  /** All IDAT chunks joined: one zlib stream. */
  readonly data: Uint8Array;
  readonly file: Uint8Array<ArrayBuffer>;
}

/** Chunks that decide about pixels; profiles and texts may be compressed, and no decoder limits them. */
const PIXEL_CHUNKS = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);

/** @throws AppError as `readPng` */
export function pngPixels(bytes: Uint8Array, name = 'png'): PngPixels {
  const kept = [...chunks(bytes, name)].filter(({ type }) => PIXEL_CHUNKS.has(type));
  const [header] = kept;
  if (!header) throw fileError('file/truncated-header', name, 'the file ends behind the signature');
  readHeader(header, name);
  const whole = kept.map(({ offset, data }) => bytes.subarray(offset, offset + FRAME_BYTES + data.length));
  return {
    header: header.data,
    data: concatBytes(kept.filter(({ type }) => type === 'IDAT').map(({ data }) => data)),
    file: concatBytes([bytes.subarray(0, HEADER_BYTES), ...whole]),
  };
}

function* chunks(bytes: Uint8Array, name: string): Generator<Chunk> {
  if (bytes.length < HEADER_BYTES) throw fileError('file/truncated-header', name, `the file has ${bytes.length} bytes`);
  if (!isPng(bytes)) throw fileError('file/bad-magic', name, 'the file does not begin with the PNG signature');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = HEADER_BYTES;
  for (;;) {
    if (offset + FRAME_BYTES > bytes.length) {
      throw fileError('file/truncated-header', name, `the file ends at byte ${bytes.length} without an IEND chunk`);
    }
    const length = view.getUint32(offset);
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
    const end = offset + FRAME_BYTES + length;
    if (!/^[A-Za-z]{4}$/.test(type)) {
      throw fileError('file/bad-chunk-type', name, `the chunk type at byte ${offset + 4} is not four letters`);
    }
    if (end > bytes.length) {
      const what = `chunk ${type} ends at byte ${end}, the file has ${bytes.length}`;
      throw fileError('file/out-of-bounds', name, what, { details: { type, end, size: bytes.length } });
    }
    yield { type, offset, data: bytes.subarray(offset + 8, offset + 8 + length), crc: view.getUint32(end - 4) };
    if (type === 'IEND') return;
    offset = end;
  }
}

function hasGoodCrc(chunk: Chunk): boolean {
  const typeCrc = crc32(Uint8Array.from(chunk.type, (letter) => letter.charCodeAt(0)));
  return crc32(chunk.data, typeCrc) === chunk.crc;
}

function readHeader(chunk: Chunk, name: string): { widthPx: number; heightPx: number } {
  if (chunk.type !== 'IHDR') {
    throw fileError('file/bad-chunk-order', name, `the first chunk is ${chunk.type} instead of IHDR`);
  }
  if (chunk.data.length < 13) {
    throw fileError('file/truncated-header', name, `IHDR has ${chunk.data.length} bytes instead of 13`);
  }
  if (!hasGoodCrc(chunk)) throw fileError('file/bad-crc', name, 'the checksum of IHDR is wrong');
  const view = new DataView(chunk.data.buffer, chunk.data.byteOffset, chunk.data.byteLength);
  const widthPx = view.getUint32(0);
  const heightPx = view.getUint32(4);
  const largest = 2 ** 31 - 1;
  if (widthPx < 1 || heightPx < 1 || widthPx > largest || heightPx > largest) {
    throw fileError('file/bad-shape', name, `the size is ${widthPx} x ${heightPx}`);
  }
  if (widthPx * heightPx > PNG_LIMITS.pixels) {
    throw fileError('file/shape-overflow', name, `${widthPx} x ${heightPx} is more than ${PNG_LIMITS.pixels} pixels`);
  }
  return { widthPx, heightPx };
}

function isTextType(type: string): type is PngText['chunk'] {
  return type === 'tEXt' || type === 'zTXt' || type === 'iTXt';
}

function readText(chunk: Chunk, type: PngText['chunk'], budget: TextBudget, name: string): PngText | AppError {
  const where = `${name}: ${type} at byte ${chunk.offset}`;
  const bad = (what: string): AppError => fileError('file/bad-text-chunk', where, what);
  if (!hasGoodCrc(chunk)) return fileError('file/bad-crc', where, 'the checksum is wrong');
  const { data } = chunk;
  const separator = data.subarray(0, 81).indexOf(0);
  if (separator === -1) return bad('there is no end of the keyword in its first 80 bytes');
  if (separator === 0 || separator > 79) return bad(`the keyword has ${separator} bytes`);
  const keyword = String.fromCharCode(...data.subarray(0, separator));
  const rest = data.subarray(separator + 1);
  let packed = type === 'zTXt';
  let body = rest;
  if (type === 'zTXt') {
    if (rest[0] !== 0) return bad(rest.length === 0 ? 'it ends behind the keyword' : `compression method ${rest[0]}`);
    body = rest.subarray(1);
  } else if (type === 'iTXt') {
    if (rest.length < 2) return bad('it ends behind the keyword');
    if ((rest[0] ?? 0) > 1) return bad(`compression flag ${rest[0]}`);
    packed = rest[0] === 1;
    if (packed && rest[1] !== 0) return bad(`compression method ${rest[1]}`);
    const language = rest.indexOf(0, 2);
    const translated = language === -1 ? -1 : rest.indexOf(0, language + 1);
    if (translated === -1) return bad('the language tag or the translated keyword has no end');
    body = rest.subarray(translated + 1);
  }
  const inflated = packed ? inflateText(body, budget, where) : body;
  if (!(inflated instanceof Uint8Array)) return inflated;
  if (!packed) {
    if (body.length > PNG_LIMITS.textBytes || body.length > budget.left) return bad('the text is too long');
    budget.left -= body.length;
  }
  const text = decodeTextBytes(inflated, type === 'iTXt' ? 'utf-8' : 'latin-1-or-utf-8');
  return text === undefined
    ? fileError('file/bad-utf8', where, 'the text is not valid UTF-8')
    : { chunk: type, keyword, text };
}

/**
 * A copy of a PNG with texts behind IHDR; texts of the same keywords are replaced. Texts are written as A1111 does:
 * tEXt when Latin-1 can hold them, else iTXt.
 * @param texts  keyword (1 to 79 Latin-1 characters) → text without U+0000
 * @throws AppError as `readPng`; 'file/bad-text-chunk' for a keyword or text that PNG cannot hold
 */
export function insertPngText(
  png: Uint8Array,
  texts: readonly { readonly keyword: string; readonly text: string }[],
): Uint8Array<ArrayBuffer> {
  const replaced = new Set(texts.map((entry) => entry.keyword));
  const parts: Uint8Array[] = [Uint8Array.from(PNG_SIGNATURE)];
  let isFirst = true;
  for (const chunk of chunks(png, 'png')) {
    if (isFirst) readHeader(chunk, 'png');
    const keyword = isTextType(chunk.type)
      ? String.fromCharCode(...chunk.data.subarray(0, 80)).split('\0')[0]
      : undefined;
    if (keyword === undefined || !replaced.has(keyword)) {
      parts.push(png.subarray(chunk.offset, chunk.offset + FRAME_BYTES + chunk.data.length));
    }
    if (isFirst) for (const entry of texts) parts.push(textChunk(entry.keyword, entry.text));
    isFirst = false;
  }
  return concatBytes(parts);
}

function textChunk(keyword: string, text: string): Uint8Array {
  const key = latin1Bytes(keyword);
  if (key === undefined || key.length < 1 || key.length > 79 || key.includes(0) || text.includes('\0')) {
    throw fileError(
      'file/bad-text-chunk',
      'png',
      `the keyword ${JSON.stringify(keyword)} or its text cannot be stored`,
      {
        remedy: 'Use a keyword of 1 to 79 Latin letters and a text without zero characters.',
      },
    );
  }
  const latin = latin1Bytes(text);
  // Latin-1 bytes that happen to be UTF-8 would be taken for it by tolerant readers.
  if (latin !== undefined && decodeTextBytes(latin, 'latin-1-or-utf-8') === text) {
    return frame('tEXt', concatBytes([key, Uint8Array.of(0), latin]));
  }
  return frame('iTXt', concatBytes([key, new Uint8Array(5), new TextEncoder().encode(text)]));
}

function frame(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(FRAME_BYTES + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}
