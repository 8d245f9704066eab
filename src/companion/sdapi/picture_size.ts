/** Width and height from a picture's header, so that nobody's kilobytes become gigabytes of pixels. */
import { isJpeg } from '../../lib/formats/jpeg_metadata';
import { isPng, readPng } from '../../lib/formats/png_text';
import { isWebp } from '../../lib/formats/webp_metadata';

export interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * @returns undefined for files of other kinds or without a readable header
 * @throws AppError 'file/…' for a damaged PNG
 */
export function pictureSize(bytes: Uint8Array, name: string): Size | undefined {
  if (isPng(bytes)) return readPng(bytes, name);
  if (isJpeg(bytes)) return jpegSize(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (isWebp(bytes)) return webpSize(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return undefined;
}

/** Start-of-frame markers: C0..CF without the tables DHT (C4), JPG (C8) and DAC (CC). Source: ITU T.81, table B.1. */
function jpegSize(view: DataView): Size | undefined {
  let at = 2;
  while (at + 9 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { heightPx: view.getUint16(at + 5), widthPx: view.getUint16(at + 7) };
    at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** The first chunk behind the 12 bytes of RIFF. Source: RFC 9649, sections 2.5 to 2.7. */
function webpSize(view: DataView): Size | undefined {
  if (view.byteLength < 30) return undefined;
  const uint24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  switch (view.getUint32(12)) {
    case 0x56503858: // VP8X
      return { widthPx: 1 + uint24(24), heightPx: 1 + uint24(27) };
    case 0x5650384c: {
      // VP8L: 14 bits each, less one
      const bits = view.getUint32(21, true);
      return { widthPx: 1 + (bits & 0x3fff), heightPx: 1 + ((bits >>> 14) & 0x3fff) };
    }
    case 0x56503820: // VP8
      return { widthPx: view.getUint16(26, true) & 0x3fff, heightPx: view.getUint16(28, true) & 0x3fff };
    default:
      return undefined;
  }
}
