/** Pictures side by side on one sheet. */
import { AppError } from '../base/errors';
import type { PixelImage } from '../rpc/engine';

/** Row by row; cells have the size of the largest picture, what is left stays black. */
export function imageGrid(images: readonly PixelImage[], columns: number): PixelImage {
  if (!(Number.isInteger(columns) && columns >= 1)) {
    throw new AppError('argument/invalid', `grid: columns must be a whole number of at least 1, got ${columns}.`);
  }
  const cellWidth = Math.max(0, ...images.map((image) => image.widthPx));
  const cellHeight = Math.max(0, ...images.map((image) => image.heightPx));
  const widthPx = cellWidth * Math.min(columns, images.length);
  const heightPx = cellHeight * Math.ceil(images.length / columns);
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  for (const [i, image] of images.entries()) {
    const [left, top] = [(i % columns) * cellWidth, Math.floor(i / columns) * cellHeight];
    for (let y = 0; y < image.heightPx; y++) {
      const row = image.rgba.subarray(4 * y * image.widthPx, 4 * (y + 1) * image.widthPx);
      rgba.set(row, 4 * ((top + y) * widthPx + left));
    }
  }
  return { widthPx, heightPx, rgba };
}
