import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/lib/base/errors';
import { gaussianBlur } from '../../../../src/lib/canvas/document/blur';
import { preprocess } from '../../../../src/lib/canvas/preprocess/preprocessor';
import { PREPROCESSORS, preprocessorById } from '../../../../src/lib/canvas/preprocess/registry';

const W = 48;
const H = 40;

/** A picture from a grey (or colour) function. */
function picture(at: (x: number, y: number) => number | readonly [number, number, number]) {
  const data = new Uint8ClampedArray(W * H * 4);
  for (let i = 0; i < W * H; i++) {
    const value = at(i % W, Math.floor(i / W));
    data.set(typeof value === 'number' ? [value, value, value, 255] : [...value, 255], i * 4);
  }
  return { width: W, height: H, data };
}

const flat = picture(() => 90);
const step = picture((x) => (x < 24 ? 0 : 255));
const disc = picture((x, y) => (Math.hypot(x - 24, y - 20) < 12 ? 20 : 240));
const red = (image: { data: Uint8ClampedArray }, x: number, y: number): number => image.data[(y * W + x) * 4]!;

describe('gaussian blur', () => {
  it('of an impulse is the gaussian; sums and constants are kept', () => {
    const plane = new Float32Array(101 * 101);
    plane[50 * 101 + 50] = 1;
    for (const sigma of [1.5, 6, 14]) {
      const out = gaussianBlur(plane, 101, 101, sigma);
      const peak = 1 / (2 * Math.PI * sigma * sigma);
      // Four box filters instead of the kernel: 4 % of the peak along each axis.
      const tolerance = sigma > 12 ? 0.085 : 0.02;
      for (const d of [0, 1, Math.round(sigma), Math.round(2 * sigma)]) {
        const want = peak * Math.exp(-(d * d) / (2 * sigma * sigma));
        expect(Math.abs(out[50 * 101 + 50 + d]! - want) / peak).toBeLessThan(tolerance);
      }
      if (sigma < 14) expect(out.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 2);
      expect(gaussianBlur(new Float32Array(30).fill(7), 6, 5, sigma).every((v) => Math.abs(v - 7) < 1e-4)).toBe(true);
    }
    expect([...gaussianBlur([1, 2, 3], 3, 1, 0)]).toEqual([1, 2, 3]);
  });
});

describe('preprocessors', () => {
  for (const preprocessor of PREPROCESSORS) {
    it(`${preprocessor.id} keeps the size, is opaque, repeatable and leaves its input alone`, () => {
      const before = disc.data.slice();
      const a = preprocess(preprocessor, disc);
      const b = preprocess(preprocessor, disc);
      expect([a.width, a.height]).toEqual([W, H]);
      expect(a.data.every((value, i) => i % 4 !== 3 || value === 255)).toBe(true);
      expect(Buffer.from(a.data.buffer).equals(Buffer.from(b.data.buffer))).toBe(true);
      expect(disc.data).toEqual(before);
      for (const width of [1, 2]) {
        const tiny = { width, height: 1, data: new Uint8Array(width * 4).fill(128) };
        expect(preprocess(preprocessor, tiny).data).toHaveLength(width * 4);
      }
    });
  }

  it('refuses broken pictures and values by code', () => {
    const canny = preprocessorById('canny');
    expect(() => preprocess(canny, { ...flat, width: 3 })).toThrowError(AppError);
    expect(() => preprocess(canny, flat, { low: -1 })).toThrowError(AppError);
    expect(() => preprocess(canny, flat, { low: NaN })).toThrowError(AppError);
    expect(() => preprocess(canny, flat, { nonsense: 1 })).toThrowError(AppError);
  });

  it('canny: one-pixel line on a step, closed ring around a disc, nothing on a flat picture', () => {
    const canny = preprocessorById('canny');
    expect(preprocess(canny, flat).data.every((v, i) => i % 4 === 3 || v === 0)).toBe(true);
    const edge = preprocess(canny, step);
    for (let y = 0; y < H; y++) {
      const white = Array.from({ length: W }, (_, x) => red(edge, x, y)).filter((v) => v === 255);
      expect(white).toHaveLength(1);
    }
    const ring = preprocess(canny, disc);
    for (let i = 0; i < W * H; i++) {
      const [x, y] = [i % W, Math.floor(i / W)];
      if (red(ring, x, y)) expect(Math.abs(Math.hypot(x - 24, y - 20) - 12)).toBeLessThan(1.6);
    }
    const weak = picture((x) => (x < 24 ? 100 : 130));
    expect(preprocess(canny, weak).data.some((v, i) => i % 4 !== 3 && v)).toBe(false);
    expect(preprocess(canny, weak, { low: 50, high: 100 }).data.some((v, i) => i % 4 !== 3 && v)).toBe(true);
  });

  it('line art: bright where ink was, black on paper and on flat tone', () => {
    const line = picture((x) => (x === 24 ? 0 : 255));
    const art = preprocess(preprocessorById('line-art'), line);
    expect(red(art, 24, 20)).toBeGreaterThan(200);
    expect(red(art, 5, 20)).toBe(0);
    expect(preprocess(preprocessorById('line-art'), flat).data.every((v, i) => i % 4 === 3 || v === 0)).toBe(true);
  });

  it('soft edge: white at the step, falling away, nothing on a flat picture', () => {
    const edge = preprocess(preprocessorById('soft-edge'), step);
    expect(red(edge, 24, 20)).toBeGreaterThan(240);
    expect(red(edge, 27, 20)).toBeLessThan(red(edge, 25, 20));
    expect(red(edge, 5, 20)).toBe(0);
    expect(red(preprocess(preprocessorById('soft-edge'), flat), 20, 20)).toBe(0);
  });

  it('normals: flat faces the viewer, slopes lean away from the high side', () => {
    const up = preprocess(preprocessorById('normal'), flat);
    expect([...up.data.subarray(0, 3)]).toEqual([128, 128, 255]);
    const ramp = preprocess(
      preprocessorById('normal'),
      picture((x) => x * 5),
      { sigma: 0 },
    );
    const k = (4 * 16 * 5) / 255;
    expect(red(ramp, 20, 20)).toBeCloseTo(127.5 - (127.5 * k) / Math.hypot(k, 1), -0.5);
    const down = preprocess(
      preprocessorById('normal'),
      picture((_x, y) => y * 5),
      { sigma: 0 },
    );
    expect(down.data[(20 * W + 20) * 4 + 1]).toBeGreaterThan(128);
  });

  it('palette: at most so many colours, exact when there are few', () => {
    const colours = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ] as const;
    const flag = picture((x) => colours[Math.floor(x / 16)]!);
    expect(Buffer.from(preprocess(preprocessorById('palette'), flag).data).equals(Buffer.from(flag.data))).toBe(true);
    const many = picture((x, y) => [x * 5, y * 6, (x * y) % 256]);
    const out = preprocess(preprocessorById('palette'), many, { colours: 5 });
    const seen = new Set(Array.from({ length: W * H }, (_, i) => out.data.slice(i * 4, i * 4 + 3).join()));
    expect(seen.size).toBe(5);
  });

  it('blur keeps flat tone; invert twice is the picture; transparency is paper', () => {
    expect(red(preprocess(preprocessorById('blur'), flat), 20, 20)).toBe(90);
    const invert = preprocessorById('invert');
    expect(preprocess(invert, preprocess(invert, disc)).data).toEqual(disc.data);
    expect([...preprocess(invert, { width: 1, height: 1, data: new Uint8Array(4) }).data]).toEqual([0, 0, 0, 255]);
  });
});
