/** Pictures of requests: base64 with or without a data URL, measured before they are decoded. */
import { isPng, readPng } from '../../lib/formats/png_text';
import type { PixelImage } from '../../lib/rpc/engine';
import { AppError } from '../../lib/base/errors';
import { decodePng } from '../node_images';
import { HttpError } from '../server/http_error';

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
 * A picture of a request as pixels.
 * @throws HttpError 500 for no base64; AppError 'image/invalid', 'image/too-large'
 */
export function readPicture(text: unknown, name: string): PixelImage {
  if (typeof text !== 'string') throw new HttpError(422, `${name}: must be a picture in base64.`);
  const bytes = base64Bytes(text);
  if (!isPng(bytes)) throw new AppError('image/invalid', `${name}: must be a PNG; convert the picture first.`);
  const { widthPx, heightPx } = readPng(bytes, name);
  if (widthPx * heightPx > MAX_PIXELS) {
    throw new AppError(
      'image/too-large',
      `${name}: may have ${MAX_PIXELS} pixels, got ${widthPx}x${heightPx}; make it smaller.`,
      { details: { widthPx, heightPx } },
    );
  }
  return decodePng(bytes, name);
}

export async function blobBase64(blob: Blob): Promise<string> {
  return Buffer.from(await blob.arrayBuffer()).toString('base64');
}
