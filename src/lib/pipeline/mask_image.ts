/**
 * Masks of inpainting, as 8-bit planes: reading, blurring, the box around what is repainted, filling the hole, and
 * pasting the result back so that everything outside stays as it was, bit for bit.
 */
import { AppError } from '../base/errors';
import type { CropBox } from '../extensions/hooks';
import type { PixelImage } from '../rpc/engine';
import { resample } from '../sampling/img2img/resample';
import { assertPixels } from './pixels';

/** 255 = repaint. */
export interface Mask {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** Red times alpha of a picture. @throws AppError 'image/invalid' */
export function readMask(image: PixelImage, invert: boolean): Mask {
  assertPixels(image);
  const { widthPx, heightPx, rgba } = image;
  const data = Uint8ClampedArray.from({ length: widthPx * heightPx }, (_, i) => {
    const value = Math.round(((rgba[4 * i] ?? 0) * (rgba[4 * i + 3] ?? 0)) / 255);
    return invert ? 255 - value : value;
  });
  return { widthPx, heightPx, data };
}

export function isEmpty({ data }: Mask): boolean {
  return data.every((value) => value === 0);
}

export function maskPicture({ widthPx, heightPx, data }: Mask): PixelImage {
  const rgba = new Uint8ClampedArray(4 * data.length);
  for (const [i, value] of data.entries()) rgba.set([value, value, value, 255], 4 * i);
  return { widthPx, heightPx, rgba };
}

/**
 * Gaussian blur, separable, with a window of 2·int(2.5·σ + 0.5) + 1 and mirrored borders.
 * Source: the web UIs' mask blur (window); borders as OpenCV's default.
 * @throws AppError 'argument/invalid' unless σ is in 0..64
 */
export function blurMask(mask: Mask, sigmaPx: number): Mask {
  if (!(sigmaPx >= 0 && sigmaPx <= 64)) {
    throw new AppError('argument/invalid', `mask blur: must be a number in 0..64, got ${sigmaPx}.`);
  }
  if (sigmaPx === 0) return mask;
  const radius = Math.trunc(2.5 * sigmaPx + 0.5);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigmaPx * sigmaPx)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  const kernel = weights.map((w) => w / sum);
  const { widthPx: w, heightPx: h } = mask;
  const wide = convolve(mask.data, { count: h, length: w, step: 1, stride: w }, kernel);
  const data = convolve(wide, { count: w, length: h, step: w, stride: 1 }, kernel);
  return { ...mask, data: Uint8ClampedArray.from(data, Math.round) };
}

interface Lines {
  readonly count: number;
  readonly length: number;
  /** Elements from one value of a line to the next, and from one line to the next. */
  readonly step: number;
  readonly stride: number;
}

function convolve(values: ArrayLike<number>, lines: Lines, kernel: Float64Array): Float64Array {
  const { count, length, step, stride } = lines;
  const out = new Float64Array(values.length);
  const radius = (kernel.length - 1) / 2;
  for (let line = 0; line < count; line++) {
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (let k = -radius; k <= radius; k++) {
        sum += (kernel[k + radius] ?? 0) * (values[line * stride + mirrored(i + k, length) * step] ?? 0);
      }
      out[line * stride + i * step] = sum;
    }
  }
  return out;
}

/** Reflection that does not repeat the border value. */
function mirrored(i: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((i % period) + period) % period;
  return at < length ? at : period - at;
}

/** The smallest box around the mask plus padding, inside the picture; the whole picture for an empty mask. */
export function maskBox({ widthPx, heightPx, data }: Mask, paddingPx: number): CropBox {
  let [left, top, right, bottom] = [widthPx, heightPx, 0, 0];
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      if ((data[y * widthPx + x] ?? 0) === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  if (right === 0) return { leftPx: 0, topPx: 0, widthPx, heightPx };
  left = Math.max(0, left - paddingPx);
  top = Math.max(0, top - paddingPx);
  right = Math.min(widthPx, right + paddingPx);
  bottom = Math.min(heightPx, bottom + paddingPx);
  return { leftPx: left, topPx: top, widthPx: right - left, heightPx: bottom - top };
}

/** Widens a box to a ratio of sides as far as the picture allows, around its middle. */
export function expandBox(box: CropBox, ratio: number, picture: { widthPx: number; heightPx: number }): CropBox {
  const grow = (start: number, length: number, wanted: number, limit: number): [number, number] => {
    const size = Math.min(Math.max(length, Math.round(wanted)), limit);
    const from = Math.min(Math.max(0, start - Math.floor((size - length) / 2)), limit - size);
    return [from, size];
  };
  const [leftPx, widthPx] = grow(box.leftPx, box.widthPx, box.heightPx * ratio, picture.widthPx);
  const [topPx, heightPx] = grow(box.topPx, box.heightPx, box.widthPx / ratio, picture.heightPx);
  return { leftPx, topPx, widthPx, heightPx };
}

export function cropImage({ widthPx, rgba }: PixelImage, box: CropBox): PixelImage {
  const out = new Uint8ClampedArray(4 * box.widthPx * box.heightPx);
  for (let y = 0; y < box.heightPx; y++) {
    const from = 4 * ((box.topPx + y) * widthPx + box.leftPx);
    out.set(rgba.subarray(from, from + 4 * box.widthPx), 4 * y * box.widthPx);
  }
  return { widthPx: box.widthPx, heightPx: box.heightPx, rgba: out };
}

export function cropMask(mask: Mask, box: CropBox): Mask {
  const out = new Uint8ClampedArray(box.widthPx * box.heightPx);
  for (let y = 0; y < box.heightPx; y++) {
    const from = (box.topPx + y) * mask.widthPx + box.leftPx;
    out.set(mask.data.subarray(from, from + box.widthPx), y * box.widthPx);
  }
  return { widthPx: box.widthPx, heightPx: box.heightPx, data: out };
}

export function resizeMask(mask: Mask, widthPx: number, heightPx: number): Mask {
  if (mask.widthPx === widthPx && mask.heightPx === heightPx) return mask;
  const byte = (v: number): number => Math.min(Math.max(Math.floor(v + 0.5), 0), 255);
  const from = { height: mask.heightPx, width: mask.widthPx };
  const data = resample(mask.data, from, { height: heightPx, width: widthPx }, 'lanczos', byte);
  return { widthPx, heightPx, data: Uint8ClampedArray.from(data) };
}

/** Blur radii of the fill, coarse to fine: what is far from the border keeps the coarse colours. */
const FILL_SIGMAS = [64, 32, 16, 8, 4, 2, 1];

/**
 * Fills the masked area with the colours around it: at each width, known pixels are blurred with their coverage, and
 * the finest width that reaches a pixel decides. Pixels outside the mask stay.
 */
export function fillMasked(image: PixelImage, mask: Mask): PixelImage {
  const { widthPx, heightPx, rgba } = image;
  const count = widthPx * heightPx;
  const known = Float64Array.from(mask.data, (value) => 1 - value / 255);
  if (known.every((k) => k === 0)) return image;
  const out = Float64Array.from({ length: 3 * count }, () => 127.5);
  const planes = [0, 1, 2].map((c) => known.map((k, i) => k * (rgba[4 * i + c] ?? 0)));
  for (const sigma of FILL_SIGMAS) {
    const coverage = boxBlur(known, widthPx, heightPx, sigma);
    for (const [c, plane] of planes.entries()) {
      const colour = boxBlur(plane, widthPx, heightPx, sigma);
      for (let i = 0; i < count; i++) {
        const covered = coverage[i] ?? 0;
        if (covered > 1e-6) {
          // Full trust from a quarter of coverage on, so that widths blend into each other.
          const share = Math.min(1, 4 * covered);
          out[3 * i + c] = share * ((colour[i] ?? 0) / covered) + (1 - share) * (out[3 * i + c] ?? 0);
        }
      }
    }
  }
  const filled = Uint8ClampedArray.from(rgba);
  for (let i = 0; i < count; i++) {
    const k = known[i] ?? 0;
    if (k === 1) continue;
    for (let c = 0; c < 3; c++) {
      filled[4 * i + c] = Math.round(k * (rgba[4 * i + c] ?? 0) + (1 - k) * (out[3 * i + c] ?? 0));
    }
    filled[4 * i + 3] = 255;
  }
  return { widthPx, heightPx, rgba: filled };
}

/** Mean over a window of about 2σ to each side, by running sums: its cost does not grow with σ. */
function boxBlur(values: Float64Array, width: number, height: number, sigma: number): Float64Array {
  const radius = Math.max(1, Math.round(sigma * 1.5));
  const wide = runningMean(values, { count: height, length: width, step: 1, stride: width }, radius);
  return runningMean(wide, { count: width, length: height, step: width, stride: 1 }, radius);
}

function runningMean(values: Float64Array, { count, length, step, stride }: Lines, radius: number): Float64Array {
  const out = new Float64Array(values.length);
  const sums = new Float64Array(length + 1);
  for (let line = 0; line < count; line++) {
    for (let i = 0; i < length; i++) sums[i + 1] = (sums[i] ?? 0) + (values[line * stride + i * step] ?? 0);
    for (let i = 0; i < length; i++) {
      const [from, to] = [Math.max(0, i - radius), Math.min(length, i + radius + 1)];
      out[line * stride + i * step] = ((sums[to] ?? 0) - (sums[from] ?? 0)) / (to - from);
    }
  }
  return out;
}

/**
 * `painted` over `original` by the mask; where the mask is 0 the original's bytes are copied.
 * @param box  place and size of `painted` in the original; it is resized to fit
 */
export function pasteBack(original: PixelImage, painted: PixelImage, mask: Mask, box: CropBox): PixelImage {
  const rgba = Uint8ClampedArray.from(original.rgba);
  for (let y = 0; y < box.heightPx; y++) {
    for (let x = 0; x < box.widthPx; x++) {
      const at = (box.topPx + y) * original.widthPx + box.leftPx + x;
      const share = (mask.data[at] ?? 0) / 255;
      if (share === 0) continue;
      const from = 4 * (y * painted.widthPx + x);
      for (let c = 0; c < 3; c++) {
        rgba[4 * at + c] = Math.round(share * (painted.rgba[from + c] ?? 0) + (1 - share) * (rgba[4 * at + c] ?? 0));
      }
      rgba[4 * at + 3] = 255;
    }
  }
  return { widthPx: original.widthPx, heightPx: original.heightPx, rgba };
}
