/** Resizing pictures in the ways users choose by name. Separable; weights are computed once per output row or column. */
import type { PixelImage } from '../rpc/engine';

export interface ResampleFilter {
  readonly id: string;
  readonly label: string;
  /** Half width in source pixels at scale 1; 0 is nearest neighbour. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Pillow's filters: Lanczos with a = 3, Catmull-Rom-like bicubic with a = -0.5, triangle, nearest. */
export const RESAMPLE_FILTERS = [
  { id: 'nearest', label: 'Nearest', support: 0, weight: () => 1 },
  { id: 'bilinear', label: 'Bilinear', support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  {
    id: 'bicubic',
    label: 'Bicubic',
    support: 2,
    weight(x) {
      const t = Math.abs(x);
      if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
      return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    },
  },
  { id: 'lanczos', label: 'Lanczos', support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
] as const satisfies readonly ResampleFilter[];

export type ResampleFilterId = (typeof RESAMPLE_FILTERS)[number]['id'];

export function resampleFilter(id: ResampleFilterId): ResampleFilter {
  return RESAMPLE_FILTERS.find((filter) => filter.id === id) ?? RESAMPLE_FILTERS[0];
}

interface Taps {
  readonly start: number;
  readonly weights: Float64Array;
}

/** Source range and normalised weights of every output position; the filter widens when shrinking (antialiasing). */
function axisTaps(from: number, to: number, { support, weight }: ResampleFilter): Taps[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    if (support === 0) return { start: Math.min(Math.floor(centre), from - 1), weights: Float64Array.of(1) };
    const first = Math.max(0, Math.floor(centre - support * stretch + 0.5));
    const last = Math.min(from, Math.floor(centre + support * stretch + 0.5));
    const weights = Float64Array.from({ length: Math.max(1, last - first) }, (_w, j) =>
      weight((first + j - centre + 0.5) / stretch),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start: first, weights: weights.map((w) => w / sum) };
  });
}

/**
 * A plane of floats at another size.
 * @param plane  row-major, `fromWidth * fromHeight`
 * Source: Pillow src/libImaging/Resample.c (the window rule); arithmetic in f64 without rounding in between.
 */
export function resamplePlane(
  plane: ArrayLike<number>,
  size: { fromWidth: number; fromHeight: number; toWidth: number; toHeight: number },
  filter: ResampleFilter,
): Float32Array<ArrayBuffer> {
  const { fromWidth, fromHeight, toWidth, toHeight } = size;
  const columns = axisTaps(fromWidth, toWidth, filter);
  const rows = axisTaps(fromHeight, toHeight, filter);
  const wide = new Float64Array(toWidth * fromHeight);
  for (let y = 0; y < fromHeight; y++) {
    for (const [x, { start, weights }] of columns.entries()) {
      let sum = 0;
      for (const [j, w] of weights.entries()) sum += w * (plane[y * fromWidth + start + j] ?? 0);
      wide[y * toWidth + x] = sum;
    }
  }
  const out = new Float32Array(toWidth * toHeight);
  for (const [y, { start, weights }] of rows.entries()) {
    for (let x = 0; x < toWidth; x++) {
      let sum = 0;
      for (const [j, w] of weights.entries()) sum += w * (wide[(start + j) * toWidth + x] ?? 0);
      out[y * toWidth + x] = sum;
    }
  }
  return out;
}

/** A picture at another size; the same object when the size is already right. */
export function resampleImage(
  image: PixelImage,
  toWidth: number,
  toHeight: number,
  filter: ResampleFilter,
): PixelImage {
  const { widthPx, heightPx, rgba } = image;
  if (widthPx === toWidth && heightPx === toHeight) return image;
  const size = { fromWidth: widthPx, fromHeight: heightPx, toWidth, toHeight };
  const out = new Uint8ClampedArray(4 * toWidth * toHeight);
  for (let c = 0; c < 4; c++) {
    const plane = Float32Array.from({ length: widthPx * heightPx }, (_, i) => rgba[4 * i + c] ?? 0);
    const resized = resamplePlane(plane, size, filter);
    for (let i = 0; i < resized.length; i++) out[4 * i + c] = Math.round(resized[i] ?? 0);
  }
  return { widthPx: toWidth, heightPx: toHeight, rgba: out };
}
