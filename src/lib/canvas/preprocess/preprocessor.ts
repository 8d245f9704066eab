/** What a control preprocessor is: a pure function from picture to picture, with described numbers as parameters. */
import { AppError } from '../../base/errors';
import { assertImage, type OwnedImage, type PixelImage } from '../document/pixels';

export interface PreprocessParameter {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly default: number;
}

export type PreprocessValues = Readonly<Record<string, number>>;

export interface Preprocessor {
  readonly id: string;
  readonly parameters: readonly PreprocessParameter[];
  /** Works on a checked picture and complete, clamped values. */
  readonly run: (image: PixelImage, values: PreprocessValues) => OwnedImage;
}

/**
 * Runs a preprocessor; missing values take their default.
 * @param image straight RGBA8; transparent parts count as white paper
 * @returns opaque straight RGBA8 of the same size
 * @throws AppError `canvas/invalid` for a broken picture, an unknown or out-of-range value
 */
export function preprocess(preprocessor: Preprocessor, image: PixelImage, values: PreprocessValues = {}): OwnedImage {
  assertImage(`preprocess ${preprocessor.id}`, image);
  for (const name of Object.keys(values)) {
    if (!preprocessor.parameters.some((parameter) => parameter.name === name)) {
      throw new AppError('canvas/invalid', `preprocess ${preprocessor.id}: no parameter "${name}"; leave it out.`);
    }
  }
  const complete: Record<string, number> = {};
  for (const { name, min, max, default: fallback } of preprocessor.parameters) {
    const value = values[name] ?? fallback;
    if (!(value >= min && value <= max)) {
      throw new AppError(
        'canvas/invalid',
        `preprocess ${preprocessor.id}: ${name} must be a number in ${min}..${max}, got ${value}; correct it.`,
        { details: { name, value, min, max } },
      );
    }
    complete[name] = value;
  }
  return preprocessor.run(image, complete);
}

/** Value of a parameter that `preprocess` has completed. */
export function valueOf(values: PreprocessValues, name: string): number {
  return values[name] ?? 0;
}

/** Luma 0..255 on white paper, ITU-R BT.601 weights as most edge detectors of the field use. */
export function lumaPlane({ data, width, height }: PixelImage): Float32Array<ArrayBuffer> {
  const plane = new Float32Array(width * height);
  for (let i = 0, o = 0; i < plane.length; i++, o += 4) {
    const luma = 0.299 * (data[o] as number) + 0.587 * (data[o + 1] as number) + 0.114 * (data[o + 2] as number);
    const alpha = (data[o + 3] as number) / 255;
    plane[i] = luma * alpha + 255 * (1 - alpha);
  }
  return plane;
}

/** An opaque grey picture from a plane, rounded and clamped. */
export function greyImage(plane: ArrayLike<number>, width: number, height: number): OwnedImage {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0, o = 0; i < plane.length; i++, o += 4) {
    data[o] = data[o + 1] = data[o + 2] = plane[i] as number;
    data[o + 3] = 255;
  }
  return { width, height, data };
}

/** The picture on white paper, opaque. */
export function onPaper({ data, width, height }: PixelImage): OwnedImage {
  const out = new Uint8ClampedArray(data.length);
  for (let o = 0; o < data.length; o += 4) {
    const alpha = (data[o + 3] as number) / 255;
    for (let c = 0; c < 3; c++) out[o + c] = (data[o + c] as number) * alpha + 255 * (1 - alpha);
    out[o + 3] = 255;
  }
  return { width, height, data: out };
}

/** Sobel derivatives (3 × 3, edges repeated): the sums are 8 times the slope per pixel. */
export function sobel(
  plane: Float32Array,
  width: number,
  height: number,
): { gx: Float32Array<ArrayBuffer>; gy: Float32Array<ArrayBuffer> } {
  const gx = new Float32Array(width * height);
  const gy = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const up = Math.max(0, y - 1) * width;
    const mid = y * width;
    const down = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; x++) {
      const l = Math.max(0, x - 1);
      const r = Math.min(width - 1, x + 1);
      const a = plane[up + l] as number;
      const b = plane[up + x] as number;
      const c = plane[up + r] as number;
      const d = plane[mid + l] as number;
      const f = plane[mid + r] as number;
      const g = plane[down + l] as number;
      const h = plane[down + x] as number;
      const i = plane[down + r] as number;
      gx[mid + x] = c + 2 * f + i - a - 2 * d - g;
      gy[mid + x] = g + 2 * h + i - a - 2 * b - c;
    }
  }
  return { gx, gy };
}
