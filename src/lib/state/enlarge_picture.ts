/** A small picture at a whole multiple of its size, pixel by pixel, with its parameters kept. */
import { AppError } from '../base/errors';
import { insertPngText } from '../formats/png_text';

/** The whole factor that brings a small picture to about 512 pixels, or 1. */
export function enlargement({ widthPx, heightPx }: { widthPx: number; heightPx: number }): number {
  return Math.max(1, Math.floor(512 / Math.max(widthPx, heightPx)));
}

/**
 * @param png  a generated picture
 * @param infotext  written into the large file as well
 * @throws AppError 'image/invalid' when this browser cannot draw it
 */
export async function enlargePicture(png: Blob, factor: number, infotext: string): Promise<Blob> {
  const bitmap = await createImageBitmap(png);
  const canvas = new OffscreenCanvas(bitmap.width * factor, bitmap.height * factor);
  const context = canvas.getContext('2d');
  if (!context) {
    throw new AppError('image/invalid', 'picture: this browser has no 2D canvas to enlarge it with; save it as it is.');
  }
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return new Blob([insertPngText(bytes, [{ keyword: 'parameters', text: infotext }])], { type: 'image/png' });
}
