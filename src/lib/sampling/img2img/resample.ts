/**
 * Resizing of planes (latents, masks, pictures) by the rules the field's libraries use. Separable filters; weights per
 * output position are computed once per axis.
 */
import { AppError } from '../../base/errors';

/** `bilinear` and `bicubic` sample without a filter for shrinking; the antialiased ones widen it, as Pillow does. */
export type ResampleMode =
  'nearest' | 'nearest-exact' | 'bilinear' | 'bilinear-antialias' | 'bicubic' | 'bicubic-antialias' | 'lanczos';

/** The web UIs' names of latent upscalers. */
export const LATENT_UPSCALERS = {
  Latent: 'bilinear',
  'Latent (antialiased)': 'bilinear-antialias',
  'Latent (bicubic)': 'bicubic',
  'Latent (bicubic antialiased)': 'bicubic-antialias',
  'Latent (nearest)': 'nearest',
  'Latent (nearest-exact)': 'nearest-exact',
} as const satisfies Readonly<Record<string, ResampleMode>>;
export type LatentUpscaler = keyof typeof LATENT_UPSCALERS;

export interface PlaneSize {
  readonly height: number;
  readonly width: number;
}

interface Taps {
  readonly first: number;
  readonly weights: Float64Array | readonly number[];
}

/**
 * @param planes  any number of planes, row-major, concatenated
 * @param round  applied after each of the two passes (8-bit images are rounded in between)
 * @throws AppError 'argument/invalid' for sizes below 1 or data that is no whole number of planes
 * Source: torch.nn.functional.interpolate (align_corners false), Pillow resampling
 */
export function resample(
  planes: ArrayLike<number>,
  from: PlaneSize,
  to: PlaneSize,
  mode: ResampleMode,
  round: (v: number) => number = (v) => v,
): Float64Array {
  const area = from.height * from.width;
  const sizes = [from.height, from.width, to.height, to.width];
  if (!sizes.every((s) => Number.isInteger(s) && s >= 1) || planes.length % area !== 0) {
    throw new AppError(
      'argument/invalid',
      `resize: sizes must be whole and positive, got ${from.width}x${from.height} to ${to.width}x${to.height} for ${planes.length} values.`,
    );
  }
  const columns = Array.from({ length: to.width }, (_, i) => taps(mode, i, from.width, to.width));
  const rows = Array.from({ length: to.height }, (_, i) => taps(mode, i, from.height, to.height));
  const count = planes.length / area;
  const out = new Float64Array(count * to.height * to.width);
  const wide = new Float64Array(from.height * to.width);
  for (let p = 0; p < count; p++) {
    for (let y = 0; y < from.height; y++)
      resampleRow(planes, p * area + y * from.width, columns, wide, y * to.width, round);
    for (let y = 0; y < to.height; y++) {
      const start = (p * to.height + y) * to.width;
      sumRows(wide, to.width, rows[y] as Taps, out.subarray(start, start + to.width), round);
    }
  }
  return out;
}

/** One row through the filters of its columns. Plain loops: a photograph has 10^8 products. */
function resampleRow(
  planes: ArrayLike<number>,
  from: number,
  columns: readonly Taps[],
  out: Float64Array,
  to: number,
  round: (v: number) => number,
): void {
  for (let x = 0; x < columns.length; x++) {
    const { first, weights } = columns[x] as Taps;
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (planes[from + first + k] as number);
    out[to + x] = round(sum);
  }
}

/** The weighted sum of some rows of `wide`. */
function sumRows(
  wide: Float64Array,
  width: number,
  { first, weights }: Taps,
  out: Float64Array,
  round: (v: number) => number,
): void {
  for (let k = 0; k < weights.length; k++) {
    const [weight, row] = [weights[k] as number, (first + k) * width];
    for (let x = 0; x < width; x++) out[x] = (out[x] as number) + weight * (wide[row + x] as number);
  }
  for (let x = 0; x < width; x++) out[x] = round(out[x] as number);
}

function taps(mode: ResampleMode, i: number, from: number, to: number): Taps {
  const scale = from / to;
  switch (mode) {
    case 'nearest':
      return { first: Math.min(Math.floor(i * scale), from - 1), weights: [1] };
    case 'nearest-exact':
      return { first: Math.min(Math.floor((i + 0.5) * scale), from - 1), weights: [1] };
    case 'bilinear': {
      const centre = Math.max((i + 0.5) * scale - 0.5, 0);
      const low = Math.min(Math.floor(centre), from - 1);
      const w = low + 1 < from ? centre - low : 0;
      return { first: low, weights: w === 0 ? [1] : [1 - w, w] };
    }
    case 'bicubic':
      return clampedCubic((i + 0.5) * scale - 0.5, from);
    case 'bilinear-antialias':
      return filtered((v) => Math.max(0, 1 - Math.abs(v)), 1, i, scale, from);
    case 'bicubic-antialias':
      return filtered((v) => cubic(Math.abs(v), -0.5), 2, i, scale, from);
    case 'lanczos':
      return filtered((v) => (Math.abs(v) < 3 ? sinc(v) * sinc(v / 3) : 0), 3, i, scale, from);
  }
  mode satisfies never;
  return { first: 0, weights: [] };
}

/** Four taps with A = -0.75; taps beyond the border repeat it. */
function clampedCubic(centre: number, from: number): Taps {
  const low = Math.floor(centre);
  const first = Math.min(Math.max(low - 1, 0), from - 1);
  const last = Math.min(Math.max(low + 2, 0), from - 1);
  const weights = new Array<number>(last - first + 1).fill(0);
  for (let k = low - 1; k <= low + 2; k++) {
    const at = Math.min(Math.max(k, 0), from - 1) - first;
    weights[at] = (weights[at] as number) + cubic(Math.abs(centre - k), -0.75);
  }
  return { first, weights };
}

/** Filter widened by the shrinking factor, normalised, cut at the border. */
function filtered(kernel: (v: number) => number, radius: number, i: number, scale: number, from: number): Taps {
  const stretch = Math.max(scale, 1);
  const centre = (i + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - radius * stretch + 0.5), 0);
  const end = Math.min(Math.trunc(centre + radius * stretch + 0.5), from);
  const weights = Float64Array.from({ length: end - first }, (_, k) => kernel((first + k - centre + 0.5) / stretch));
  const sum = weights.reduce((a, b) => a + b, 0);
  return { first, weights: weights.map((w) => w / sum) };
}

function sinc(v: number): number {
  return v === 0 ? 1 : Math.sin(Math.PI * v) / (Math.PI * v);
}

/** Keys' cubic convolution kernel. */
function cubic(v: number, a: number): number {
  if (v < 1) return ((a + 2) * v - (a + 3)) * v * v + 1;
  return v < 2 ? (((v - 5) * v + 8) * v - 4) * a : 0;
}

/** How a mask becomes latent-sized: web UI, web UI with rounding, ComfyUI, diffusers. */
export type MaskRule = 'webui' | 'webui-rounded' | 'comfy' | 'diffusers';

/** @param mask  8-bit grey, 0..255 @returns 0..1 per latent position */
export function maskToLatent(mask: ArrayLike<number>, from: PlaneSize, to: PlaneSize, rule: MaskRule): Float32Array {
  const bytes = (v: number): number => Math.min(Math.max(Math.floor(v + 0.5), 0), 255);
  switch (rule) {
    case 'webui':
      return Float32Array.from(resample(mask, from, to, 'bicubic-antialias', bytes), (v) => v / 255);
    case 'webui-rounded':
      return Float32Array.from(resample(mask, from, to, 'bicubic-antialias', bytes), (v) => (v / 255 > 0.5 ? 1 : 0));
    case 'comfy':
      return Float32Array.from(resample(mask, from, to, 'bilinear'), (v) => v / 255);
    case 'diffusers':
      return Float32Array.from(resample(mask, from, to, 'nearest'), (v) => (v / 255 > 0.5 ? 1 : 0));
  }
  rule satisfies never;
  return new Float32Array(0);
}
