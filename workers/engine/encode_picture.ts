/** Pictures as PNG, JPEG or WebP, by the browser's own codecs. */
import { AppError } from '../../src/lib/base/errors';
import type { EncodeOptions } from '../../src/lib/pipeline/save_picture';
import type { PictureFormat, PixelImage } from '../../src/lib/rpc/engine';

/** A browser without an encoder of the format (Safari has none for WebP) gives PNG. */
export async function encodePicture(
  { widthPx, heightPx, rgba }: PixelImage,
  { format, quality, keepAlpha }: EncodeOptions,
): Promise<{ format: PictureFormat; bytes: Uint8Array }> {
  if (keepAlpha && format === 'png') {
    // A canvas multiplies colours by alpha: the last bit of a colour would change with it.
    const { encode } = await import('fast-png');
    const data = Uint8Array.from(rgba);
    return { format, bytes: encode({ width: widthPx, height: heightPx, channels: 4, depth: 8, data }) };
  }
  const canvas = new OffscreenCanvas(widthPx, heightPx);
  const context = canvas.getContext('2d');
  if (!context) {
    throw new AppError(
      'image/invalid',
      `picture: this browser has no 2D canvas for ${widthPx}x${heightPx}; try a smaller size.`,
    );
  }
  context.putImageData(new ImageData(rgba, widthPx, heightPx), 0, 0);
  const blob = await canvas.convertToBlob({ type: `image/${format}`, quality: quality / 100 });
  const made = blob.type === `image/${format}` ? format : 'png';
  return { format: made, bytes: new Uint8Array(await blob.arrayBuffer()) };
}
