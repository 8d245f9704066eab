/**
 * EXIF (a TIFF block): reading the text tags that image programs use for parameters, and building a block with one
 * user comment. Knows nothing of the image format around it.
 * Layout: byte order, 42, offset of IFD0; an IFD is a count and entries of tag u16, type u16, count u32, value/offset.
 */
import { fileError } from './format_error';

export interface ExifTexts {
  readonly userComment?: string;
  readonly imageDescription?: string;
  readonly make?: string;
  readonly model?: string;
  readonly software?: string;
}

const IMAGE_DESCRIPTION = 0x010e;
const MAKE = 0x010f;
const MODEL = 0x0110;
const SOFTWARE = 0x0131;
const EXIF_IFD = 0x8769;
const USER_COMMENT = 0x9286;
const MOST_ENTRIES = 1000;
/** Bytes per value of TIFF types 1 to 13. */
const TYPE_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];

/**
 * Texts of a TIFF block, with or without the `Exif\0\0` prefix. Entries that point outside the block are left out.
 * @throws AppError 'file/bad-magic', 'file/out-of-bounds', 'file/count-overflow'
 */
export function readExif(block: Uint8Array, name = 'exif'): ExifTexts {
  const bytes = startsWith(block, 'Exif\0\0') ? block.subarray(6) : block;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const order = String.fromCharCode(...bytes.subarray(0, 2));
  const little = order === 'II';
  if ((!little && order !== 'MM') || bytes.length < 8 || view.getUint16(2, little) !== 42) {
    throw fileError('file/bad-magic', name, 'the EXIF block has no TIFF header');
  }
  const found = new Map<number, Uint8Array>();
  const main = readDirectory(view, bytes, view.getUint32(4, little), little, found, name);
  if (main !== undefined) readDirectory(view, bytes, main, little, found, name);
  const text = (tag: number): string | undefined => {
    const value = found.get(tag);
    return value === undefined ? undefined : decodeUtf8(value).replace(/\0+$/, '');
  };
  const comment = found.get(USER_COMMENT);
  const entries = {
    userComment: comment === undefined ? undefined : decodeUserComment(comment),
    imageDescription: text(IMAGE_DESCRIPTION),
    make: text(MAKE),
    model: text(MODEL),
    software: text(SOFTWARE),
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}

/** Collects text values of one directory. @returns offset of the EXIF directory when there is one */
function readDirectory(
  view: DataView,
  bytes: Uint8Array,
  offset: number,
  little: boolean,
  found: Map<number, Uint8Array>,
  name: string,
): number | undefined {
  if (offset + 2 > bytes.length) {
    throw fileError('file/out-of-bounds', name, `an EXIF directory begins at byte ${offset} of ${bytes.length}`);
  }
  const count = view.getUint16(offset, little);
  if (count > MOST_ENTRIES) throw fileError('file/count-overflow', name, `an EXIF directory has ${count} entries`);
  let next: number | undefined;
  for (let i = 0; i < count; i++) {
    const at = offset + 2 + 12 * i;
    if (at + 12 > bytes.length) return next; // cut off: what was read so far is good
    const tag = view.getUint16(at, little);
    const size = (TYPE_BYTES[view.getUint16(at + 2, little)] ?? 0) * view.getUint32(at + 4, little);
    const start = size <= 4 ? at + 8 : view.getUint32(at + 8, little);
    if (size === 0 || start + size > bytes.length) continue;
    if (tag === EXIF_IFD) next = view.getUint32(at + 8, little);
    else if (!found.has(tag)) found.set(tag, bytes.subarray(start, start + size));
  }
  return next;
}

/**
 * Text of a UserComment: an 8-byte name of the character set, then the text. UNICODE is UTF-16 whose byte order no
 * header tells (A1111 writes big endian, others little endian): the order that gives more common letters wins.
 */
function decodeUserComment(bytes: Uint8Array): string {
  const body = bytes.subarray(8);
  if (startsWith(bytes, 'UNICODE\0')) return decodeUtf16(body);
  if (startsWith(bytes, 'ASCII\0\0\0') || startsWith(bytes, '\0\0\0\0\0\0\0\0')) return trimZeros(decodeUtf8(body));
  return trimZeros(decodeUtf8(bytes));
}

function decodeUtf16(bytes: Uint8Array): string {
  const big = trimZeros(new TextDecoder('utf-16be').decode(bytes));
  const little = trimZeros(new TextDecoder('utf-16le').decode(bytes));
  return commonLetters(little) > commonLetters(big) ? little : big;
}

function commonLetters(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x0a || (code >= 0x20 && code < 0x7f)) count++;
  }
  return count;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return new TextDecoder('latin1').decode(bytes); // old writers; better than nothing
  }
}

function trimZeros(text: string): string {
  return text.replace(/\0+$/, '');
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && [...text].every((character, i) => bytes[i] === character.charCodeAt(0));
}

/**
 * A TIFF block (big endian, without `Exif\0\0`) whose only content is a UserComment in UTF-16 big endian, as A1111
 * writes it.
 */
export function buildExif(userComment: string): Uint8Array<ArrayBuffer> {
  const commentBytes = 8 + 2 * userComment.length;
  const commentStart = 8 + 18 + 18;
  const out = new Uint8Array(commentStart + commentBytes);
  const view = new DataView(out.buffer);
  out.set([0x4d, 0x4d, 0, 42, 0, 0, 0, 8]);
  const directory = (at: number, tag: number, type: number, count: number, value: number): void => {
    view.setUint16(at, 1);
    view.setUint16(at + 2, tag);
    view.setUint16(at + 4, type);
    view.setUint32(at + 6, count);
    view.setUint32(at + 10, value); // the u32 behind stays 0: no further directory
  };
  directory(8, EXIF_IFD, 4, 1, 26);
  directory(26, USER_COMMENT, 7, commentBytes, commentStart);
  out.set(
    [...'UNICODE\0'].map((character) => character.charCodeAt(0)),
    commentStart,
  );
  for (let i = 0; i < userComment.length; i++) view.setUint16(commentStart + 8 + 2 * i, userComment.charCodeAt(i));
  return out;
}
