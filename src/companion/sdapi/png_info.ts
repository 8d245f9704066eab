/** `png-info`: what a picture says of its making. */
import { AppError } from '../../lib/base/errors';
import { completeFields } from '../../lib/infotext/complete';
import { parseInfotext } from '../../lib/infotext/grammar';
import { readPicture, type PictureReading } from '../../lib/infotext/picture';
import type { Call, Reply } from '../server/route';
import { json } from '../server/route';
import { HttpError } from '../server/http_error';
import { decodePicture } from '../node_codecs';
import { readFields } from './field';
import { PNG_INFO_FIELDS } from './fields';
import { base64Bytes } from './pictures';

/** Texts under these names are the parameters themselves. */
const OWN_TEXTS = ['parameters', 'exif:UserComment'];

/** @throws HttpError 404 without a picture, 500 for one that cannot be read, as the web UIs answer */
export async function pngInfoRoute({ body }: Call): Promise<Reply> {
  const { values } = readFields(PNG_INFO_FIELDS, body);
  if (values.image.trim() === '') throw new HttpError(404, 'Image not found');
  const bytes = base64Bytes(values.image);
  let reading: PictureReading;
  try {
    reading = await readPicture(bytes, {
      pixels: async () => {
        const { widthPx, heightPx, rgba } = await decodePicture(bytes, 'image');
        return { widthPx, heightPx, data: new Uint8Array(rgba.buffer) };
      },
    });
  } catch (error) {
    if (error instanceof AppError) throw new HttpError(500, 'Invalid encoded image');
    throw error;
  }
  const info = reading.infotext ?? reading.translated;
  if (info === undefined) return json({ info: '', items: itemsOf(reading), parameters: {} });
  const parameters = Object.fromEntries(completeFields(parseInfotext(info)));
  return json({ info, items: itemsOf(reading), parameters });
}

function itemsOf({ image }: PictureReading): Record<string, string> {
  return Object.fromEntries([...image.texts].filter(([name]) => !OWN_TEXTS.includes(name)));
}
