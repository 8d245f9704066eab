/** Brings a user's picture to the size of the job, in the ways A1111 names. */
import type { PixelImage, ResizeMode } from '../rpc/engine';
import { assertPixels } from './pixels';
import { resampleImage } from './resample';

/**
 * @param mode  `just` stretches; `crop` fills the frame and cuts what stands out; `fill` shows all of it and repeats
 * the edge colours around; `latent` is `just` here, since latents are resized elsewhere
 * Source: A1111 modules/images.py resize_image
 */
export function fitImage(image: PixelImage, widthPx: number, heightPx: number, mode: ResizeMode): PixelImage {
  assertPixels(image);
  if (mode === 'just' || mode === 'latent') return resampleImage(image, widthPx, heightPx);
  const ratio = widthPx / heightPx;
  const imageRatio = image.widthPx / image.heightPx;
  const coverWidth = ratio > imageRatio === (mode === 'crop');
  const innerWidth = coverWidth ? widthPx : Math.max(1, Math.floor((image.widthPx * heightPx) / image.heightPx));
  const innerHeight = coverWidth ? Math.max(1, Math.floor((image.heightPx * widthPx) / image.widthPx)) : heightPx;
  return paste(resampleImage(image, innerWidth, innerHeight), widthPx, heightPx);
}

/** Centres a picture in a frame; outside it, the nearest edge pixel is repeated. */
function paste(image: PixelImage, widthPx: number, heightPx: number): PixelImage {
  const left = Math.floor((widthPx - image.widthPx) / 2);
  const top = Math.floor((heightPx - image.heightPx) / 2);
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx);
  for (let y = 0; y < heightPx; y++) {
    const sy = Math.min(Math.max(y - top, 0), image.heightPx - 1);
    for (let x = 0; x < widthPx; x++) {
      const sx = Math.min(Math.max(x - left, 0), image.widthPx - 1);
      const from = 4 * (sy * image.widthPx + sx);
      rgba.set(image.rgba.subarray(from, from + 4), 4 * (y * widthPx + x));
    }
  }
  return { widthPx, heightPx, rgba };
}
