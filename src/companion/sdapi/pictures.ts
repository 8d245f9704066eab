/** Pictures of requests: base64 with or without a data URL, measured before they are decoded. */
import type { PixelImage } from '../../lib/rpc/engine';
import { AppError } from '../../lib/base/errors';
import { decodePicture } from '../node_codecs';
import { HttpError } from '../server/http_error';
import { pictureSize } from './picture_size';

/** 64 megapixels: 256 MB as RGBA. */
const MAX_PIXELS = 64 * 2 ** 20;

/** @throws HttpError 500 'Invalid encoded image', as the web UIs answer */
export function base64Bytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = text.replace(/^data:[^,]{0,200};base64,/, '').replace(/\s+/g, '');
  // Buffer.from skips what is no base64, so it would take anything.
  if (plain === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(plain)) throw new HttpError(500, 'Invalid encoded image');
  return Uint8Array.from(Buffer.from(plain, 'base64'));
}

/**
 * A PNG, JPEG or WebP of a request as pixels.
 * @throws HttpError 500 for no base64; AppError 'image/invalid', 'image/too-large'
 */
export async function readPicture(text: unknown, name: string): Promise<PixelImage> {
  if (typeof text !== 'string') throw new HttpError(422, `${name}: must be a picture in base64.`);
  const bytes = base64Bytes(text);
  const size = pictureSize(bytes, name);
  if (!size) throw new AppError('image/invalid', `${name}: must be a PNG, JPEG or WebP; convert the picture first.`);
  const { widthPx, heightPx } = size;
  if (widthPx * heightPx > MAX_PIXELS) {
    throw new AppError(
      'image/too-large',
      `${name}: may have ${MAX_PIXELS} pixels, got ${widthPx}x${heightPx}; make it smaller.`,
      { details: { widthPx, heightPx } },
    );
  }
  return decodePicture(bytes, name);
}

export async function blobBase64(blob: Blob): Promise<string> {
  return Buffer.from(await blob.arrayBuffer()).toString('base64');
}
