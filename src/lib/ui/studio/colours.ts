/** Colour arithmetic for the picker: RGB 0..255, hue 0..360, saturation and value 0..1. */
import type { Rgb } from '$lib/canvas/document/pixels';

export interface Hsv {
  readonly h: number;
  readonly s: number;
  readonly v: number;
}

export const SWATCHES: readonly Rgb[] = [
  [32, 30, 36],
  [120, 116, 126],
  [255, 255, 255],
  [196, 46, 40],
  [240, 130, 40],
  [250, 204, 60],
  [88, 160, 72],
  [40, 130, 130],
  [52, 110, 210],
  [120, 80, 180],
  [226, 110, 150],
  [130, 84, 52],
];

export function toHsv([red, green, blue]: Rgb): Hsv {
  const [r, g, b] = [red / 255, green / 255, blue / 255];
  const v = Math.max(r, g, b);
  const span = v - Math.min(r, g, b);
  if (span === 0) return { h: 0, s: 0, v };
  const sector = v === r ? (g - b) / span : v === g ? 2 + (b - r) / span : 4 + (r - g) / span;
  return { h: (sector * 60 + 360) % 360, s: span / v, v };
}

export function fromHsv({ h, s, v }: Hsv): Rgb {
  const channel = (n: number): number => {
    const k = (n + h / 60) % 6;
    return Math.round(255 * (v - v * s * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

export function toHex(colour: Rgb): string {
  return `#${colour.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`;
}

/** Undefined for texts that are no colour; `#abc` and `aabbcc` are. */
export function fromHex(text: string): Rgb | undefined {
  const short = /^#?([\da-f])([\da-f])([\da-f])$/i.exec(text.trim());
  const long = /^#?([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(text.trim());
  const [, r = '', g = '', b = ''] = long ?? short ?? [];
  if (r === '') return undefined;
  const read = (digits: string): number => parseInt(digits.length === 1 ? digits + digits : digits, 16);
  return [read(r), read(g), read(b)];
}
