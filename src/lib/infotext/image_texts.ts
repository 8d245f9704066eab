/** Every text that an image file carries, whatever the container. Bytes in, texts out; no meaning yet. */
import { AppError } from '../base/errors';
import { isAvif, readAvifExif } from '../formats/avif_metadata';
import { readExif } from '../formats/exif';
import { isGif, readGifComments } from '../formats/gif_metadata';
import { isJpeg, readJpegMetadata } from '../formats/jpeg_metadata';
import { isPng, readPng } from '../formats/png_text';
import { isWebp, readWebpMetadata } from '../formats/webp_metadata';

export type ImageContainer = 'png' | 'jpeg' | 'webp' | 'avif' | 'gif';

export interface ImageTexts {
  readonly container: ImageContainer;
  /** Known for PNG only. */
  readonly widthPx?: number;
  readonly heightPx?: number;
  /**
   * PNG texts by keyword (the first of equal ones), and `exif:UserComment`, `exif:ImageDescription`, `exif:Make`,
   * `exif:Model`, `exif:Software`, `xmp`, `comment`.
   */
  readonly texts: ReadonlyMap<string, string>;
  /** Texts that could not be read. */
  readonly problems: readonly AppError[];
}

/**
 * Reads the texts of a PNG, JPEG, WebP, AVIF or GIF.
 * @throws AppError 'file/unknown-format' and what the container's reader throws
 */
export function readImageTexts(bytes: Uint8Array, name = 'image'): ImageTexts {
  const texts = new Map<string, string>();
  const problems: AppError[] = [];
  const addExif = (block: Uint8Array | undefined): void => {
    if (block === undefined) return;
    try {
      const exif = readExif(block, name);
      for (const [key, text] of Object.entries(exif) as [string, string][]) {
        texts.set(`exif:${key.charAt(0).toUpperCase()}${key.slice(1)}`, text);
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      problems.push(error);
    }
  };
  const add = (key: string, text: string | undefined): void => {
    if (text !== undefined && !texts.has(key)) texts.set(key, text);
  };
  if (isPng(bytes)) {
    const png = readPng(bytes, name);
    for (const { keyword, text } of png.texts) add(keyword, text);
    add('xmp', texts.get('XML:com.adobe.xmp'));
    addExif(png.exif);
    problems.push(...png.problems);
    return { container: 'png', widthPx: png.widthPx, heightPx: png.heightPx, texts, problems };
  }
  if (isJpeg(bytes)) {
    const jpeg = readJpegMetadata(bytes, name);
    addExif(jpeg.exif);
    add('xmp', jpeg.xmp);
    add('comment', jpeg.comment);
    return { container: 'jpeg', texts, problems };
  }
  if (isWebp(bytes)) {
    const webp = readWebpMetadata(bytes, name);
    addExif(webp.exif);
    add('xmp', webp.xmp);
    return { container: 'webp', texts, problems };
  }
  if (isGif(bytes)) {
    for (const comment of readGifComments(bytes, name)) add('comment', comment);
    return { container: 'gif', texts, problems };
  }
  if (isAvif(bytes)) {
    try {
      addExif(readAvifExif(bytes, name));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      problems.push(error);
    }
    return { container: 'avif', texts, problems };
  }
  throw new AppError(
    'file/unknown-format',
    `${name}: a PNG, JPEG, WebP, AVIF or GIF is needed, the first bytes are of none of them; choose another file.`,
  );
}
