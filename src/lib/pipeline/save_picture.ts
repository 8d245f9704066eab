/** From pixels to a file with its parameters inside, in the format the user chose. The codec is the host's. */
import { buildExif } from '../formats/exif';
import { insertJpegExif } from '../formats/jpeg_metadata';
import { insertPngText } from '../formats/png_text';
import { insertWebpExif } from '../formats/webp_metadata';
import { writeStealth } from '../infotext/stealth';
import { AppError } from '../base/errors';
import type { PictureFormat, PixelImage, SaveRequest } from '../rpc/engine';

export interface EncodeOptions {
  readonly format: PictureFormat;
  /** 1..100, for JPEG and WebP; WebP at 100 is lossless. */
  readonly quality: number;
  /** The alpha channel carries bits that must survive exactly. */
  readonly keepAlpha: boolean;
}

/** A picture's bytes without metadata. A host that cannot write a format gives PNG and says so. */
export type EncodePicture = (
  image: PixelImage,
  options: EncodeOptions,
) => Promise<{ readonly format: PictureFormat; readonly bytes: Uint8Array }>;

const DEFAULT_QUALITY = 90;

/** Bytes of EXIF in a JPEG segment, its marker taken off. */
const LONGEST_JPEG_EXIF = 65_527;

/**
 * @param save  default: PNG
 * @returns the file, its `type` that of its format; `notice` where the format is another than asked
 * @throws AppError 'argument/invalid' for a quality outside 1..100, 'image/invalid'
 */
export async function savePicture(
  encode: EncodePicture,
  image: PixelImage,
  infotext: string,
  save: SaveRequest = { format: 'png' },
): Promise<{ file: Blob; notice?: string }> {
  const quality = save.quality ?? DEFAULT_QUALITY;
  if (!(quality >= 1 && quality <= 100)) {
    throw new AppError('argument/invalid', `picture quality: must be a number in 1..100, got ${quality}.`);
  }
  const lossless = save.format === 'png' || (save.format === 'webp' && quality === 100);
  const hidden = save.stealth === true && lossless ? withStealth(image, infotext) : undefined;
  // A JPEG segment holds 65,527 bytes; the parameters of a longer prompt need another container.
  const tooLong = save.format === 'jpeg' && buildExif(infotext).length > LONGEST_JPEG_EXIF;
  const { format, bytes } = await encode(hidden ?? image, {
    format: tooLong ? 'png' : save.format,
    quality,
    keepAlpha: hidden !== undefined,
  });
  const file = new Blob([withParameters(format, bytes, infotext)], { type: `image/${format}` });
  if (format !== save.format) {
    const why = tooLong ? 'the parameters are too long for JPEG' : `${save.format} cannot be written here`;
    return { file, notice: `Pictures are saved as ${format.toUpperCase()}: ${why}.` };
  }
  if (save.stealth === true && !hidden) {
    const why = lossless ? 'the picture is too small' : 'the format loses them';
    return { file, notice: `Parameters are not hidden in the pixels: ${why}.` };
  }
  return { file };
}

/** Undefined where the text does not fit; it is in the file's metadata all the same. */
function withStealth(image: PixelImage, infotext: string): PixelImage | undefined {
  const copy = { ...image, rgba: Uint8ClampedArray.from(image.rgba) };
  try {
    writeStealth({ widthPx: copy.widthPx, heightPx: copy.heightPx, data: copy.rgba }, infotext);
    return copy;
  } catch (error) {
    if (error instanceof AppError && error.code === 'image/invalid') return undefined;
    throw error;
  }
}

/**
 * PNG text `parameters`, or EXIF UserComment, as the web UIs write them. No container holds zero characters or halves
 * of surrogate pairs: a picture is not lost for one that slipped into a prompt.
 */
function withParameters(format: PictureFormat, bytes: Uint8Array, text: string): Uint8Array<ArrayBuffer> {
  const infotext = text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
  switch (format) {
    case 'png':
      return insertPngText(bytes, [{ keyword: 'parameters', text: infotext }]);
    case 'jpeg':
      return insertJpegExif(bytes, buildExif(infotext));
    case 'webp':
      return insertWebpExif(bytes, buildExif(infotext));
  }
}
