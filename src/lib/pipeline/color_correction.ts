/**
 * The result of img2img with the colours of its start picture: histograms matched per channel in CIELAB, the
 * brightness of the result kept. Source: A1111 modules/processing.py (setup_color_correction, apply_color_correction):
 * 8-bit Lab as OpenCV has it, matching as scikit-image does, then the W3C blend mode "luminosity".
 */
import type { PixelImage } from '../rpc/engine';

/** D65, the matrix of sRGB. */
const TO_XYZ = [0.412453, 0.35758, 0.180423, 0.212671, 0.71516, 0.072169, 0.019334, 0.119193, 0.950227] as const;
const TO_RGB = [3.240479, -1.53715, -0.498535, -0.969256, 1.875991, 0.041556, 0.055648, -0.204043, 1.057311] as const;
const WHITE = [0.950456, 1, 1.088754] as const;

const LINEAR = Float64Array.from({ length: 256 }, (_, v) => {
  const x = v / 255;
  return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
});

function gamma(x: number): number {
  return 255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055);
}

function product(m: readonly number[], x: number, y: number, z: number): [number, number, number] {
  const row = (i: number) => (m[i] ?? 0) * x + (m[i + 1] ?? 0) * y + (m[i + 2] ?? 0) * z;
  return [row(0), row(3), row(6)];
}

/** L·255/100, a + 128, b + 128, rounded: three planes. */
function toLab({ rgba }: PixelImage): [Uint8ClampedArray, Uint8ClampedArray, Uint8ClampedArray] {
  const count = rgba.length / 4;
  const planes: [Uint8ClampedArray, Uint8ClampedArray, Uint8ClampedArray] = [
    new Uint8ClampedArray(count),
    new Uint8ClampedArray(count),
    new Uint8ClampedArray(count),
  ];
  const f = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  for (let i = 0; i < count; i++) {
    const lin = (c: number) => LINEAR[rgba[4 * i + c] ?? 0] ?? 0;
    const [x, y, z] = product(TO_XYZ, lin(0), lin(1), lin(2));
    const [fx, fy, fz] = [f(x / WHITE[0]), f(y), f(z / WHITE[2])];
    const lightness = y > 0.008856 ? 116 * fy - 16 : 903.3 * y;
    planes[0][i] = (lightness * 255) / 100;
    planes[1][i] = 500 * (fx - fy) + 128;
    planes[2][i] = 200 * (fy - fz) + 128;
  }
  return planes;
}

function fromLab(l: number, a: number, b: number): [number, number, number] {
  const lightness = (l * 100) / 255;
  const fy = lightness > 7.9996 ? (lightness + 16) / 116 : 7.787 * (lightness / 903.3) + 16 / 116;
  const inverse = (t: number) => (t > 0.206893 ? t ** 3 : (t - 16 / 116) / 7.787);
  const [x, z] = [WHITE[0] * inverse(fy + (a - 128) / 500), WHITE[2] * inverse(fy - (b - 128) / 200)];
  return product(TO_RGB, x, inverse(fy), z).map((v) => Math.min(Math.max(gamma(v), 0), 255)) as [
    number,
    number,
    number,
  ];
}

/** Which value each byte becomes so that the distribution of `from` is that of `to`; between values it is linear. */
export function matchHistogram(from: Uint8ClampedArray, to: Uint8ClampedArray): Uint8ClampedArray {
  const shares = (values: Uint8ClampedArray): Float64Array => {
    const sums = new Float64Array(256);
    for (const value of values) sums[value] = (sums[value] ?? 0) + 1;
    for (let v = 1; v < 256; v++) sums[v] = (sums[v] ?? 0) + (sums[v - 1] ?? 0);
    return sums.map((sum) => sum / values.length);
  };
  const [source, target] = [shares(from), shares(to)];
  const present = [...target.keys()].filter((v) => (target[v] ?? 0) > (v === 0 ? 0 : (target[v - 1] ?? 0)));
  return Uint8ClampedArray.from(source, (share) => {
    const next = present.findIndex((v) => (target[v] ?? 0) >= share);
    const high = present[next < 0 ? present.length - 1 : next] ?? 0;
    const low = present[next - 1];
    if (low === undefined) return high;
    const [start, end] = [target[low] ?? 0, target[high] ?? 0];
    // The web UIs cut the fraction off.
    return Math.floor(low + ((high - low) * (share - start)) / (end - start) + 1e-9);
  });
}

const LUMA = [0.3, 0.59, 0.11] as const;

function luma(rgb: readonly number[]): number {
  return LUMA.reduce((sum, weight, c) => sum + weight * (rgb[c] ?? 0), 0);
}

/** A colour at another brightness, pulled towards grey where it would leave 0..255. */
function atLuma(rgb: readonly number[], wanted: number): number[] {
  const shift = wanted - luma(rgb);
  const moved = rgb.map((v) => v + shift);
  const [low, high] = [Math.min(...moved), Math.max(...moved)];
  if (low < 0) return moved.map((v) => wanted + ((v - wanted) * wanted) / (wanted - low));
  if (high > 255) return moved.map((v) => wanted + ((v - wanted) * (255 - wanted)) / (high - wanted));
  return moved;
}

/** `image` with the colour distribution of `reference` (any size); alpha stays. */
export function correctColors(image: PixelImage, reference: PixelImage): PixelImage {
  const [own, wanted] = [toLab(image), toLab(reference)];
  const maps = own.map((plane, c) => matchHistogram(plane, wanted[c] ?? plane));
  const rgba = Uint8ClampedArray.from(image.rgba);
  for (let i = 0; i < rgba.length / 4; i++) {
    const lab = own.map((plane, c) => maps[c]?.[plane[i] ?? 0] ?? 0);
    const rgb = fromLab(lab[0] ?? 0, lab[1] ?? 0, lab[2] ?? 0);
    const bright = luma([rgba[4 * i] ?? 0, rgba[4 * i + 1] ?? 0, rgba[4 * i + 2] ?? 0]);
    rgba.set(
      atLuma(rgb, bright).map((v) => Math.round(v)),
      4 * i,
    );
  }
  return { ...image, rgba };
}
