/** A picture file as pixels, by the browser's own codecs: not premultiplied, colours as they are written. */
import type { PixelImage } from '../rpc/engine';

/** Undefined when the browser cannot decode it. */
export async function decodePixels(file: Blob): Promise<PixelImage | undefined> {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' }).catch(
    () => undefined,
  );
  if (!bitmap) return undefined;
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const data = context?.getImageData(0, 0, width, height).data;
  return data && { widthPx: width, heightPx: height, rgba: new Uint8ClampedArray(data) };
}
