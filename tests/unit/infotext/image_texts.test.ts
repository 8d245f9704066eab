import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { buildExif, readExif } from '../../../src/lib/formats/exif';
import { insertJpegExif } from '../../../src/lib/formats/jpeg_metadata';
import { insertPngText } from '../../../src/lib/formats/png_text';
import { insertWebpExif } from '../../../src/lib/formats/webp_metadata';
import { readPicture } from '../../../src/lib/infotext/picture';
import { readImageTexts } from '../../../src/lib/infotext/image_texts';
import { readStealth, writeStealth } from '../../../src/lib/infotext/stealth';

const text = 'a 猫, (café:1.2)\nNegative prompt: 悪い\nSteps: 4, Sampler: Euler, Seed: 1';
const tinyPng = Uint8Array.from(
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
);
const tinyJpeg = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xda, 0, 2, 1, 2, 0xff, 0xd9]);
const ascii = (s: string): number[] => [...s].map((c) => c.charCodeAt(0));
const tinyWebp = Uint8Array.from([
  ...ascii('RIFF'),
  22,
  0,
  0,
  0,
  ...ascii('WEBPVP8 '),
  10,
  0,
  0,
  0,
  0,
  0,
  0,
  0x9d,
  0x01,
  0x2a,
  5,
  0,
  7,
  0,
]);
const gif = Uint8Array.from([...ascii('GIF89a'), 1, 0, 1, 0, 0, 0, 0, 0x21, 0xfe, 3, ...ascii('abc'), 0, 0x3b]);

/** A small repeatable generator, so that a failure can be seen again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('texts in images', () => {
  const carriers = {
    png: insertPngText(tinyPng, [{ keyword: 'parameters', text }]),
    jpeg: insertJpegExif(tinyJpeg, buildExif(text)),
    webp: insertWebpExif(tinyWebp, buildExif(text)),
  };

  it('come back out of every container that can be written', async () => {
    for (const bytes of Object.values(carriers)) expect((await readPicture(bytes)).infotext).toBe(text);
  });

  it('are replaced, not doubled', () => {
    const again = insertPngText(carriers.png, [{ keyword: 'parameters', text: 'new' }]);
    expect(readImageTexts(again).texts.get('parameters')).toBe('new');
    const jpeg = insertJpegExif(carriers.jpeg, buildExif('new'));
    expect(jpeg.length).toBeLessThan(carriers.jpeg.length);
    expect(readImageTexts(insertWebpExif(carriers.webp, buildExif('new'))).texts.get('exif:UserComment')).toBe('new');
  });

  it('keep the size in the header of an extended WebP', () => {
    const header = carriers.webp.subarray(20, 30);
    expect([...header]).toEqual([8, 0, 0, 0, 4, 0, 0, 6, 0, 0]);
  });

  it('are found in a GIF comment', () => {
    expect(readImageTexts(gif).texts.get('comment')).toBe('abc');
  });

  it('refuse other files and too long EXIF with typed errors', () => {
    expect(() => readImageTexts(Uint8Array.of(1, 2, 3))).toThrow(AppError);
    expect(() => insertJpegExif(tinyJpeg, buildExif('x'.repeat(40_000)))).toThrow(AppError);
    expect(() => insertPngText(tinyPng, [{ keyword: 'ключ', text: 'x' }])).toThrow(AppError);
    expect(() => readExif(new Uint8Array(4))).toThrow(AppError);
  });

  it('never end in an untyped error when bytes are damaged', () => {
    const next = random(11);
    for (const original of [...Object.values(carriers), gif]) {
      for (let round = 0; round < 2000; round++) {
        const bytes = Uint8Array.from(
          original.subarray(0, next() < 0.3 ? Math.floor(next() * original.length) : undefined),
        );
        for (let i = 0; i < 3; i++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
        try {
          readImageTexts(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }
    }
  });
});

describe('hidden text', () => {
  for (const mode of ['alpha', 'rgb'] as const) {
    it(`survives in ${mode}`, () => {
      const pixels = { widthPx: 61, heightPx: 67, data: new Uint8Array(4 * 61 * 67).fill(254) };
      writeStealth(pixels, text, mode);
      expect(readStealth(pixels)).toBe(text);
      // The bits run down the columns: the last one is behind a text this short.
      const last = Array.from({ length: 67 }, (_, y) => [
        ...pixels.data.subarray(4 * (61 * y + 60), 4 * (61 * y + 61)),
      ]);
      expect(new Set(last.flat())).toEqual(new Set([254]));
    });
  }

  it('is refused in a picture that is too small, and absent where there is none', () => {
    const pixels = { widthPx: 2, heightPx: 2, data: new Uint8Array(16) };
    expect(readStealth(pixels)).toBeUndefined();
    expect(() => writeStealth(pixels, text)).toThrow(AppError);
  });
});
