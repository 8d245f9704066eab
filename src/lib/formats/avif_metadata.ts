/**
 * AVIF (ISO base media): finding the EXIF item. Reading only.
 * Source: ISO/IEC 14496-12 (boxes meta, iinf, infe, iloc, idat) and 23008-12 annex A (Exif item).
 */
import { fileError } from './format_error';

export function isAvif(bytes: Uint8Array): boolean {
  return type(bytes, 4) === 'ftyp' && /avi[fs]|mif1/.test(String.fromCharCode(...bytes.subarray(8, 64)));
}

interface Box {
  readonly type: string;
  /** Behind the box header. */
  readonly start: number;
  readonly end: number;
}

const MOST_BOXES = 10_000;

function type(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function* boxes(bytes: Uint8Array, from: number, to: number): Generator<Box> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = from;
  for (let count = 0; at + 8 <= to && count < MOST_BOXES; count++) {
    let size = view.getUint32(at);
    let header = 8;
    if (size === 1 && at + 16 <= to) {
      size = Number(view.getBigUint64(at + 8));
      header = 16;
    } else if (size === 0) size = to - at;
    if (size < header || at + size > to) return;
    yield { type: type(bytes, at + 4), start: at + header, end: at + size };
    at += size;
  }
}

/**
 * The TIFF block of an AVIF's EXIF item.
 * @returns undefined when there is none
 * @throws AppError 'file/bad-magic' for other formats, 'file/out-of-bounds' for an item outside the file
 */
export function readAvifExif(bytes: Uint8Array, name = 'avif'): Uint8Array | undefined {
  if (!isAvif(bytes)) throw fileError('file/bad-magic', name, 'the file does not begin like an AVIF');
  for (const meta of boxes(bytes, 0, bytes.length)) {
    if (meta.type !== 'meta') continue;
    const inside = [...boxes(bytes, meta.start + 4, meta.end)];
    const named = (wanted: string): Box | undefined => inside.find((box) => box.type === wanted);
    const [names, places] = [named('iinf'), named('iloc')];
    if (names === undefined || places === undefined) return undefined;
    const id = exifItem(bytes, names);
    const place = id === undefined ? undefined : itemPlace(bytes, places, id, named('idat'));
    return place === undefined ? undefined : exifBlock(bytes, place, name);
  }
  return undefined;
}

function exifItem(bytes: Uint8Array, box: Box): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (box.start + 8 > box.end) return undefined;
  const from = box.start + (bytes[box.start] === 0 ? 6 : 8);
  for (const entry of boxes(bytes, from, box.end)) {
    const version = bytes[entry.start] ?? 0;
    if (entry.type !== 'infe' || version < 2 || entry.start + 14 > entry.end) continue;
    const wide = version > 2;
    if (type(bytes, entry.start + (wide ? 10 : 8)) !== 'Exif') continue;
    return wide ? view.getUint32(entry.start + 4) : view.getUint16(entry.start + 4);
  }
  return undefined;
}

interface Place {
  readonly start: number;
  readonly length: number;
}

function itemPlace(bytes: Uint8Array, box: Box, wanted: number, idat: Box | undefined): Place | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = box.start;
  const read = (width: number): number => {
    if (width === 0) return 0;
    if (at + width > box.end) throw fileError('file/out-of-bounds', 'avif', 'the item table ends inside an entry');
    const value = width === 2 ? view.getUint16(at) : width === 4 ? view.getUint32(at) : Number(view.getBigUint64(at));
    at += width;
    return value;
  };
  const version = read(4) >>> 24;
  const sizes = read(2);
  const widthOf = (nibble: number): number => ((sizes >> nibble) & 15 ? (((sizes >> nibble) & 15) === 8 ? 8 : 4) : 0);
  const [offsetWidth, lengthWidth, baseWidth] = [widthOf(12), widthOf(8), widthOf(4)];
  const indexWidth = version > 0 ? widthOf(0) : 0;
  const count = read(version < 2 ? 2 : 4);
  for (let i = 0; i < count; i++) {
    const id = read(version < 2 ? 2 : 4);
    const method = version > 0 ? read(2) & 15 : 0;
    read(2); // data reference
    const base = read(baseWidth);
    const extents = read(2);
    // Fields of no width take no bytes, so a huge count of them would cost time without using up the box.
    if (offsetWidth + lengthWidth + indexWidth === 0 && extents > 1) continue;
    let first: Place | undefined;
    for (let e = 0; e < extents; e++) {
      read(indexWidth);
      const start = base + read(offsetWidth);
      first ??= { start, length: read(lengthWidth) };
      if (e > 0) read(lengthWidth);
    }
    if (id !== wanted || first === undefined) continue;
    return method === 1 ? { start: first.start + (idat?.start ?? 0), length: first.length } : first;
  }
  return undefined;
}

/** An Exif item is a 4-byte offset to the TIFF header, counted behind that field, and then the block. */
function exifBlock(bytes: Uint8Array, { start, length }: Place, name: string): Uint8Array {
  const end = start + length;
  const skip = start + 4 <= bytes.length ? new DataView(bytes.buffer, bytes.byteOffset + start, 4).getUint32(0) : 0;
  if (!Number.isSafeInteger(end) || end > bytes.length || start + 4 + skip > end) {
    throw fileError('file/out-of-bounds', name, `the EXIF item ends at byte ${end} of ${bytes.length}`);
  }
  return bytes.subarray(start + 4 + skip, end);
}
