/** Letters for the labels of sheets in Node, from a file made by `tests/tools/make_label_font.ts`. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { inflateSync } from 'fflate';
import type { Ink, TextPainter } from '../../lib/pipeline/plot/text_painter';
import { resample } from '../../lib/sampling/img2img/resample';

interface FontHeader {
  readonly sizePx: number;
  readonly height: number;
  readonly letters: string;
  readonly widths: readonly number[];
}

interface Font extends FontHeader {
  readonly rowPx: number;
  /** 8-bit coverage, all glyphs side by side. */
  readonly coverage: Uint8Array;
  readonly glyphs: ReadonlyMap<string, { readonly start: number; readonly width: number }>;
}

function readFont(): Font {
  const bytes = readFileSync(resolve(import.meta.dirname, 'label_font.bin'));
  const length = bytes.readUInt32LE(0);
  const header = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as FontHeader;
  const glyphs = new Map<string, { start: number; width: number }>();
  let start = 0;
  for (const [i, letter] of [...header.letters].entries()) {
    const width = header.widths[i] ?? 0;
    glyphs.set(letter, { start, width });
    start += width;
  }
  return { ...header, rowPx: start, coverage: inflateSync(bytes.subarray(4 + length)), glyphs };
}

let font: Font | undefined;

/** One line of text; letters that the font has not are shown as `?`. */
export const paintText: TextPainter = (text, sizePx) => {
  font ??= readFont();
  const { glyphs, height, rowPx, coverage } = font;
  const unknown = glyphs.get('?') ?? { start: 0, width: 0 };
  const line = [...text.normalize('NFC')].map((letter) => glyphs.get(letter) ?? unknown);
  const width = Math.max(
    1,
    line.reduce((sum, glyph) => sum + glyph.width, 0),
  );
  const data = new Uint8Array(width * height);
  let x = 0;
  for (const glyph of line) {
    for (let y = 0; y < height; y++) {
      const from = y * rowPx + glyph.start;
      data.set(coverage.subarray(from, from + glyph.width), y * width + x);
    }
    x += glyph.width;
  }
  return scaled({ widthPx: width, heightPx: height, data }, sizePx / font.sizePx);
};

function scaled(ink: Ink, scale: number): Ink {
  if (scale === 1) return ink;
  const to = {
    width: Math.max(1, Math.round(ink.widthPx * scale)),
    height: Math.max(1, Math.round(ink.heightPx * scale)),
  };
  const data = resample(ink.data, { width: ink.widthPx, height: ink.heightPx }, to, 'bilinear-antialias');
  return { widthPx: to.width, heightPx: to.height, data: Uint8ClampedArray.from(data) };
}
