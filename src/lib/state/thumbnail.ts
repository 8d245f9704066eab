/** A small picture for grids, by the browser's own codec. */

/** Longest side in pixels: sharp at 180 CSS pixels on a double-density screen, a few kB each. */
const THUMBNAIL_PX = 320;

/** The picture itself when it is small already. */
export async function makeThumbnail(png: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(png);
  try {
    const scale = THUMBNAIL_PX / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return png;
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(bitmap.width * scale)),
      Math.max(1, Math.round(bitmap.height * scale)),
    );
    const context = canvas.getContext('2d');
    if (!context) return png;
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: 'image/webp', quality: 0.85 });
  } finally {
    bitmap.close();
  }
}
