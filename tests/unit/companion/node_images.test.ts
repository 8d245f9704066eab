/** Pictures of strangers in Node: what inflates beyond its own header is refused, and nothing but pixels is inflated. */
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodePng, encodePng } from '../../../src/companion/node_images';
import { concatBytes } from '../../../src/lib/base/concat_bytes';
import { crc32 } from '../../../src/lib/formats/crc32';
import { pattern } from '../pipeline/harness';

function chunk(type: string, data: Uint8Array): Uint8Array {
  const named = concatBytes([new TextEncoder().encode(type), data]);
  const out = new DataView(new ArrayBuffer(data.length + 12));
  out.setUint32(0, data.length);
  out.setUint32(data.length + 8, crc32(named));
  const bytes = new Uint8Array(out.buffer);
  bytes.set(named, 4);
  return bytes;
}

interface Header {
  readonly size: readonly [number, number];
  readonly depth: number;
  readonly colourType: number;
}

function png({ size, depth, colourType }: Header, rows: Uint8Array, extra: readonly Uint8Array[] = []): Uint8Array {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, size[0]);
  header.setUint32(4, size[1]);
  header.setUint8(8, depth);
  header.setUint8(9, colourType);
  const parts = [chunk('IHDR', new Uint8Array(header.buffer)), ...extra, chunk('IDAT', deflateSync(rows))];
  return concatBytes([Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), ...parts, chunk('IEND', new Uint8Array())]);
}

const SMALL: Header = { size: [8, 8], depth: 8, colourType: 6 };
const ROWS = new Uint8Array(8 * 33);

describe('decoding', () => {
  it('gives back what was written, with and without alpha', () => {
    const image = pattern(13, 7);
    expect(decodePng(encodePng(image, true), 'a.png')).toEqual(image);
    expect(decodePng(encodePng(image), 'a.png')).toEqual(image);
  });

  it('reads grey, palettes and 16 bits', () => {
    const first = (bytes: Uint8Array) => [...decodePng(bytes, 'a.png').rgba.subarray(0, 8)];
    const size = [2, 1] as const;
    expect(first(png({ size, depth: 8, colourType: 0 }, Uint8Array.of(0, 7, 200)))).toEqual([
      7, 7, 7, 255, 200, 200, 200, 255,
    ]);
    expect(first(png({ size, depth: 8, colourType: 4 }, Uint8Array.of(0, 7, 9, 200, 1)))).toEqual([
      7, 7, 7, 9, 200, 200, 200, 1,
    ]);
    const sixteen = Uint8Array.of(0, 128, 0, 255, 255, 0, 0, 1, 1, 2, 2, 3, 3);
    expect(first(png({ size, depth: 16, colourType: 2 }, sixteen))).toEqual([128, 255, 0, 255, 1, 2, 3, 255]);
    const palette = [chunk('PLTE', Uint8Array.of(1, 2, 3, 4, 5, 6)), chunk('tRNS', Uint8Array.of(99))];
    expect(first(png({ size, depth: 8, colourType: 3 }, Uint8Array.of(0, 1, 0), palette))).toEqual([
      4, 5, 6, 255, 1, 2, 3, 99,
    ]);
  });

  it('refuses pixels that inflate to more than their header says', () => {
    const bomb = png(SMALL, new Uint8Array(64 * 2 ** 20));
    expect(bomb.length).toBeLessThan(100_000);
    expect(() => decodePng(bomb, 'bomb.png')).toThrow(expect.objectContaining({ code: 'image/invalid' }));
  });

  it('does not inflate profiles', () => {
    const profile = concatBytes([new TextEncoder().encode('p\0\0'), deflateSync(new Uint8Array(64 * 2 ** 20))]);
    // Broken on purpose: a decoder that looked at it would complain.
    expect(decodePng(png(SMALL, ROWS, [chunk('iCCP', profile.subarray(0, 1000))]), 'a.png').rgba).toHaveLength(256);
  });

  it('names a file that is none, and one that ends early', () => {
    expect(() => decodePng(new TextEncoder().encode('hello'), 'note.png')).toThrow(/note.png: not a PNG/);
    expect(() => decodePng(encodePng(pattern(8, 8)).subarray(0, 50), 'cut.png')).toThrow(/cut.png/);
  });
});
