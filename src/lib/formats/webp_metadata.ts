/**
 * WebP (RIFF) chunks: reading and writing EXIF and XMP. Pixels are not touched.
 * Source: WebP container specification (developers.google.com/speed/webp/docs/riff_container).
 */
import { concatBytes } from '../base/concat_bytes';
import { fileError } from './format_error';

export interface WebpMetadata {
  readonly exif?: Uint8Array;
  readonly xmp?: string;
}

const EXIF_FLAG = 0x08;
const ALPHA_FLAG = 0x10;

interface RiffChunk {
  readonly type: string;
  readonly start: number;
  /** Behind the padding byte. */
  readonly end: number;
  readonly data: Uint8Array;
}

export function isWebp(bytes: Uint8Array): boolean {
  return ascii(bytes, 0) === 'RIFF' && ascii(bytes, 8) === 'WEBP';
}

function ascii(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

/** Stops without an error where the file is damaged. */
function* riffChunks(bytes: Uint8Array): Generator<RiffChunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > bytes.length) return;
    const end = Math.min(at + 8 + length + (length & 1), bytes.length);
    yield { type: ascii(bytes, at), start: at, end, data: bytes.subarray(at + 8, at + 8 + length) };
    at = end;
  }
}

/** @throws AppError 'file/bad-magic' for other formats */
export function readWebpMetadata(bytes: Uint8Array, name = 'webp'): WebpMetadata {
  if (!isWebp(bytes)) throw fileError('file/bad-magic', name, 'the file does not begin like a WebP');
  let exif: Uint8Array | undefined;
  let xmp: string | undefined;
  for (const { type, data } of riffChunks(bytes)) {
    if (type === 'EXIF') exif ??= data;
    else if (type === 'XMP ') xmp ??= new TextDecoder().decode(data);
  }
  return { ...(exif === undefined ? {} : { exif }), ...(xmp === undefined ? {} : { xmp }) };
}

/**
 * A copy of a WebP with this EXIF block in place of its own; a simple file becomes an extended one.
 * @param exif  TIFF block, see `buildExif`
 * @throws AppError 'file/bad-magic', 'file/truncated-header'
 */
export function insertWebpExif(webp: Uint8Array, exif: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!isWebp(webp)) throw fileError('file/bad-magic', 'webp', 'the file does not begin like a WebP');
  const found = [...riffChunks(webp)];
  const first = found[0];
  if (first === undefined) throw fileError('file/truncated-header', 'webp', 'there is no chunk in the file');
  const header = first.type === 'VP8X' ? Uint8Array.from(first.data) : extendedHeader(first);
  header[0] = (header[0] ?? 0) | EXIF_FLAG;
  const kept = found.filter((chunk) => chunk.type !== 'VP8X' && chunk.type !== 'EXIF');
  const parts = [riff('VP8X', header), ...kept.map((chunk) => riff(chunk.type, chunk.data)), riff('EXIF', exif)];
  const body = concatBytes([Uint8Array.of(0x57, 0x45, 0x42, 0x50), ...parts]); // WEBP
  return riff('RIFF', body);
}

function riff(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(8 + data.length + (data.length & 1));
  for (let i = 0; i < 4; i++) out[i] = type.charCodeAt(i);
  new DataView(out.buffer).setUint32(4, data.length, true);
  out.set(data, 8);
  return out;
}

/** VP8X contents for a simple file: flags, then width - 1 and height - 1 in 24 bits each. */
function extendedHeader(image: RiffChunk): Uint8Array {
  const view = new DataView(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  let width: number;
  let height: number;
  let flags = 0;
  if (image.type === 'VP8 ' && image.data.length >= 10) {
    width = view.getUint16(6, true) & 0x3fff;
    height = view.getUint16(8, true) & 0x3fff;
  } else if (image.type === 'VP8L' && image.data.length >= 5) {
    const bits = view.getUint32(1, true);
    width = (bits & 0x3fff) + 1;
    height = ((bits >>> 14) & 0x3fff) + 1;
    if ((bits >>> 28) & 1) flags = ALPHA_FLAG;
  } else {
    throw fileError('file/truncated-header', 'webp', `the first chunk ${image.type} holds no picture`);
  }
  const out = new Uint8Array(10);
  const target = new DataView(out.buffer);
  target.setUint32(0, flags, true);
  const put24 = (at: number, value: number): void => {
    target.setUint16(at, value & 0xffff, true);
    target.setUint8(at + 2, value >>> 16);
  };
  put24(4, width - 1);
  put24(7, height - 1);
  return out;
}
