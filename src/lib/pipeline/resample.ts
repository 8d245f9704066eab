/** Pictures at another size, by the filters of the sampling folder. */
import type { PixelImage } from '../rpc/engine';
import { resample, type ResampleMode } from '../sampling/img2img/resample';

const toByte = (v: number): number => Math.min(Math.max(Math.floor(v + 0.5), 0), 255);

/** A picture at another size, rounded to bytes after each pass as Pillow does; the same object when the size is right. */
export function resampleImage(
  image: PixelImage,
  toWidth: number,
  toHeight: number,
  mode: ResampleMode = 'lanczos',
): PixelImage {
  const { widthPx, heightPx, rgba } = image;
  if (widthPx === toWidth && heightPx === toHeight) return image;
  const area = widthPx * heightPx;
  const planes = new Uint8Array(4 * area);
  for (let c = 0; c < 4; c++) for (let i = 0; i < area; i++) planes[c * area + i] = rgba[4 * i + c] ?? 0;
  const from = { height: heightPx, width: widthPx };
  const resized = resample(planes, from, { height: toHeight, width: toWidth }, mode, toByte);
  const toArea = toWidth * toHeight;
  const out = new Uint8ClampedArray(4 * toArea);
  for (let c = 0; c < 4; c++) for (let i = 0; i < toArea; i++) out[4 * i + c] = resized[c * toArea + i] ?? 0;
  return { widthPx: toWidth, heightPx: toHeight, rgba: out };
}
