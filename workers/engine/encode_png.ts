/** PNG with parameters, by the browser's own codec. */
import { insertPngText } from '../../src/lib/formats/png_text';
import type { PixelImage } from '../../src/lib/rpc/engine';
import { AppError } from '../../src/lib/base/errors';

export async function encodePng({ widthPx, heightPx, rgba }: PixelImage, infotext: string): Promise<Blob> {
  const canvas = new OffscreenCanvas(widthPx, heightPx);
  const context = canvas.getContext('2d');
  if (!context) {
    throw new AppError(
      'image/invalid',
      `picture: this browser has no 2D canvas for ${widthPx}x${heightPx}; try a smaller size.`,
    );
  }
  context.putImageData(new ImageData(rgba, widthPx, heightPx), 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return new Blob([insertPngText(bytes, [{ keyword: 'parameters', text: infotext }])], { type: 'image/png' });
}
