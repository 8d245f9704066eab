/**
 * Makes `src/companion/plot/label_font.bin`, the letters of plot sheets in Node, from a font of this machine drawn by
 * Chromium. Run by hand when the set of letters changes: `npx tsx tests/tools/make_label_font.ts [family]`.
 * Layout of the file: u32 little endian length of a JSON header, the header, then the rows of all glyphs side by side,
 * 8-bit coverage, deflated.
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { chromium } from 'playwright';

const SIZE_PX = 28;
const family = process.argv[2] ?? 'DejaVu Sans';

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i));
}
/** Latin with its extensions, Greek, Cyrillic, common signs. */
const letters = [
  ...range(0x20, 0x7e),
  ...range(0xa0, 0x17f),
  ...range(0x386, 0x3ce),
  ...range(0x400, 0x45f),
  ...'–—‘’“”…€×→',
].filter((letter, i, all) => /[\p{L}\p{N}\p{P}\p{S} ]/u.test(letter) && all.indexOf(letter) === i);

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const page = await browser.newPage();
const drawn = await page.evaluate(
  ({ letters, family, size }) => {
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('no canvas');
    const font = `${size}px "${family}"`;
    context.font = font;
    const widths = letters.map((letter) => Math.round(context.measureText(letter).width));
    const [ascent, height] = [Math.ceil(size * 0.95), Math.ceil(size * 1.25)];
    canvas.width = widths.reduce((a, b) => a + b, 0);
    canvas.height = height;
    context.font = font;
    context.fillStyle = '#000';
    let x = 0;
    for (const [i, letter] of letters.entries()) {
      context.save();
      context.beginPath();
      context.rect(x, 0, widths[i]!, height);
      context.clip();
      context.fillText(letter, x, ascent);
      context.restore();
      x += widths[i]!;
    }
    const { data } = context.getImageData(0, 0, canvas.width, height);
    return {
      widths,
      ascent,
      height,
      coverage: Array.from({ length: canvas.width * height }, (_, i) => data[4 * i + 3]!),
    };
  },
  { letters, family, size: SIZE_PX },
);
await browser.close();
const { widths, ascent, height, coverage } = drawn;
const header = Buffer.from(
  JSON.stringify({ family, sizePx: SIZE_PX, ascent, height, letters: letters.join(''), widths }),
);
const length = Buffer.alloc(4);
length.writeUInt32LE(header.length);
// Sixteen steps of grey are enough for letters and halve the file.
const pixels = deflateRawSync(
  Uint8Array.from(coverage, (v) => Math.round(v / 17) * 17),
  { level: 9 },
);
const path = resolve(import.meta.dirname, '../../src/companion/plot/label_font.bin');
await writeFile(path, Buffer.concat([length, header, pixels]));
console.log(`${path}: ${letters.length} letters, ${4 + header.length + pixels.length} bytes`);
