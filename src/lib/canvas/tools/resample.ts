/** Affine resampling of premultiplied pictures: bilinear, with box halving before strong reductions. */
import { chain, invertAffine, transformBounds, type Affine } from '../geometry/affine';
import { expandRect, intersectRect, isEmptyRect, roundOutRect, type Rect } from '../geometry/rect';

export interface Pixmap {
  /** Where the pixels lie in the document. */
  readonly rect: Rect;
  /** Premultiplied RGBA8, rect.width * rect.height * 4. */
  readonly pixels: Uint8Array<ArrayBuffer>;
}

/**
 * The picture under `matrix` (document → document), cut to `clip`.
 * A whole-pixel translation copies bytes unchanged.
 * @throws AppError `canvas/invalid` when the matrix cannot be inverted
 */
export function resample(source: Pixmap, matrix: Affine, clip: Rect): Pixmap {
  const { a, b, c, d, e, f } = matrix;
  if (a === 1 && b === 0 && c === 0 && d === 1 && Number.isInteger(e) && Number.isInteger(f)) {
    const moved = { rect: { ...source.rect, x: source.rect.x + e, y: source.rect.y + f }, pixels: source.pixels };
    return cut(moved, intersectRect(moved.rect, clip));
  }
  const inverse = invertAffine(matrix);
  const scale = Math.sqrt(Math.abs(a * d - b * c));
  const { small, toSmall } = halve(source, scale);
  const rect = intersectRect(roundOutRect(expandRect(transformBounds(matrix, source.rect), 1)), clip);
  if (isEmptyRect(rect)) return { rect, pixels: new Uint8Array(0) };
  return { rect, pixels: sampleBilinear(small, chain(inverse, toSmall), rect) };
}

/** Copies a part out; `rect` lies inside the picture. */
export function cut(source: Pixmap, rect: Rect): Pixmap {
  const pixels = new Uint8Array(rect.width * rect.height * 4);
  for (let y = 0; y < rect.height; y++) {
    const from = ((rect.y - source.rect.y + y) * source.rect.width + (rect.x - source.rect.x)) * 4;
    pixels.set(source.pixels.subarray(from, from + rect.width * 4), y * rect.width * 4);
  }
  return { rect, pixels };
}

/** Reduction to a smaller size by box means, for thumbnails. Sizes at most those of the source. */
export function shrink(source: Pixmap, width: number, height: number): Uint8Array<ArrayBuffer> {
  const { rect, pixels } = source;
  const out = new Uint8Array(width * height * 4);
  const sums = new Float64Array(4);
  for (let y = 0, o = 0; y < height; y++) {
    const y0 = Math.floor((y * rect.height) / height);
    const y1 = Math.max(y0 + 1, Math.floor(((y + 1) * rect.height) / height));
    for (let x = 0; x < width; x++, o += 4) {
      const x0 = Math.floor((x * rect.width) / width);
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * rect.width) / width));
      sums.fill(0);
      for (let sy = y0; sy < y1; sy++) {
        for (let i = (sy * rect.width + x0) * 4, end = (sy * rect.width + x1) * 4; i < end; i++) {
          sums[i & 3] = (sums[i & 3] as number) + (pixels[i] as number);
        }
      }
      for (let c = 0; c < 4; c++) out[o + c] = (sums[c] as number) / ((x1 - x0) * (y1 - y0)) + 0.5;
    }
  }
  return out;
}

interface Raster {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

function halve(source: Pixmap, scale: number): { small: Raster; toSmall: Affine } {
  let small: Raster = { width: source.rect.width, height: source.rect.height, pixels: source.pixels };
  let factor = 1;
  while (scale * factor <= 0.5 && small.width > 1 && small.height > 1) {
    small = halved(small);
    factor *= 2;
  }
  const k = 1 / factor;
  return { small, toSmall: { a: k, b: 0, c: 0, d: k, e: -source.rect.x * k, f: -source.rect.y * k } };
}

function halved(source: Raster): Raster {
  const width = Math.ceil(source.width / 2);
  const height = Math.ceil(source.height / 2);
  const pixels = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 4; c++) {
        // An odd last row or column averages with transparency, as it covers half a pixel only.
        let sum = 0;
        for (let dy = 0; dy < 2; dy++) {
          for (let dx = 0; dx < 2; dx++) {
            if (2 * x + dx < source.width && 2 * y + dy < source.height) {
              sum += source.pixels[((2 * y + dy) * source.width + 2 * x + dx) * 4 + c] as number;
            }
          }
        }
        pixels[(y * width + x) * 4 + c] = (sum + 2) >> 2;
      }
    }
  }
  return { width, height, pixels };
}

function sampleBilinear(source: Raster, toSource: Affine, rect: Rect): Uint8Array<ArrayBuffer> {
  const { width, height, pixels } = source;
  const out = new Uint8Array(rect.width * rect.height * 4);
  for (let y = 0, o = 0; y < rect.height; y++) {
    for (let x = 0; x < rect.width; x++, o += 4) {
      const px = rect.x + x + 0.5;
      const py = rect.y + y + 0.5;
      const sx = toSource.a * px + toSource.c * py + toSource.e - 0.5;
      const sy = toSource.b * px + toSource.d * py + toSource.f - 0.5;
      const x0 = Math.floor(sx);
      const y0 = Math.floor(sy);
      if (x0 < -1 || y0 < -1 || x0 >= width || y0 >= height) continue;
      const fx = sx - x0;
      const fy = sy - y0;
      const left = x0 >= 0;
      const right = x0 + 1 < width;
      const w00 = left && y0 >= 0 ? (1 - fx) * (1 - fy) : 0;
      const w10 = right && y0 >= 0 ? fx * (1 - fy) : 0;
      const w01 = left && y0 + 1 < height ? (1 - fx) * fy : 0;
      const w11 = right && y0 + 1 < height ? fx * fy : 0;
      const at = (y0 * width + x0) * 4;
      for (let c = 0; c < 4; c++) {
        let sum = 0.5;
        if (w00) sum += (pixels[at + c] as number) * w00;
        if (w10) sum += (pixels[at + 4 + c] as number) * w10;
        if (w01) sum += (pixels[at + width * 4 + c] as number) * w01;
        if (w11) sum += (pixels[at + width * 4 + 4 + c] as number) * w11;
        out[o + c] = sum;
      }
    }
  }
  return out;
}
