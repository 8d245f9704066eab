/** JPEG segments: reading EXIF, XMP and comments, writing EXIF. Pixels are not touched. */
import { concatBytes } from '../base/concat_bytes';
import { fileError } from './format_error';

export interface JpegMetadata {
  /** TIFF block of the first EXIF segment. */
  readonly exif?: Uint8Array;
  readonly xmp?: string;
  readonly comment?: string;
}

const SOI = 0xd8;
const SOS = 0xda;
const EOI = 0xd9;
const APP0 = 0xe0;
const APP1 = 0xe1;
const COM = 0xfe;
const EXIF_PREFIX = 'Exif\0\0';
const XMP_PREFIX = 'http://ns.adobe.com/xap/1.0/\0';
const LONGEST_SEGMENT = 65533;

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === SOI;
}

interface Segment {
  readonly marker: number;
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

/** Segments up to the pixel data; stops without an error where the file is damaged. */
function* segments(bytes: Uint8Array): Generator<Segment> {
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at++; // fill byte
      continue;
    }
    if (marker === SOS || marker === EOI) return;
    const end = at + 2 + (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0);
    if (end < at + 4 || end > bytes.length) return;
    yield { marker, start: at, end, data: bytes.subarray(at + 4, end) };
    at = end;
  }
}

function ascii(bytes: Uint8Array, length: number): string {
  return String.fromCharCode(...bytes.subarray(0, length));
}

/** @throws AppError 'file/bad-magic' for other formats */
export function readJpegMetadata(bytes: Uint8Array, name = 'jpeg'): JpegMetadata {
  if (!isJpeg(bytes)) throw fileError('file/bad-magic', name, 'the file does not begin like a JPEG');
  let exif: Uint8Array | undefined;
  let xmp: string | undefined;
  let comment: string | undefined;
  for (const { marker, data } of segments(bytes)) {
    if (marker === COM) comment ??= new TextDecoder().decode(data).replace(/\0+$/, '');
    if (marker !== APP1) continue;
    if (ascii(data, EXIF_PREFIX.length) === EXIF_PREFIX) exif ??= data.subarray(EXIF_PREFIX.length);
    else if (ascii(data, XMP_PREFIX.length) === XMP_PREFIX) {
      xmp ??= new TextDecoder().decode(data.subarray(XMP_PREFIX.length));
    }
  }
  return {
    ...(exif === undefined ? {} : { exif }),
    ...(xmp === undefined ? {} : { xmp }),
    ...(comment === undefined ? {} : { comment }),
  };
}

/**
 * A copy of a JPEG with this EXIF block in place of its own.
 * @param exif  TIFF block, see `buildExif`
 * @throws AppError 'file/bad-magic'; 'file/header-too-large' when the block is over 65,527 bytes
 */
export function insertJpegExif(jpeg: Uint8Array, exif: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!isJpeg(jpeg)) throw fileError('file/bad-magic', 'jpeg', 'the file does not begin like a JPEG');
  const length = exif.length + EXIF_PREFIX.length;
  if (length > LONGEST_SEGMENT) {
    throw fileError('file/header-too-large', 'jpeg', `EXIF of ${exif.length} bytes does not fit in one segment`, {
      remedy: 'Save as PNG, or shorten the prompt.',
    });
  }
  const segment = new Uint8Array(4 + length);
  segment.set([0xff, APP1, (length + 2) >> 8, (length + 2) & 255]);
  segment.set(
    [...EXIF_PREFIX].map((character) => character.charCodeAt(0)),
    4,
  );
  segment.set(exif, 4 + EXIF_PREFIX.length);
  let place = 2;
  const old: Segment[] = [];
  for (const found of segments(jpeg)) {
    if (found.marker === APP0 && found.start === place) place = found.end; // EXIF stands behind JFIF
    if (found.marker === APP1 && ascii(found.data, EXIF_PREFIX.length) === EXIF_PREFIX) old.push(found);
  }
  const parts: Uint8Array[] = [jpeg.subarray(0, place), segment];
  let kept = place;
  for (const found of old) {
    parts.push(jpeg.subarray(kept, found.start));
    kept = found.end;
  }
  parts.push(jpeg.subarray(kept));
  return concatBytes(parts);
}
