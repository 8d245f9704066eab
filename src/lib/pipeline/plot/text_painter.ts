/** Labels of sheets: wrapping and drawing of text by whatever paints letters here. */
import type { PixelImage } from '../../rpc/engine';

/** Ink of a line of text, 0..255 per pixel, row-major. */
export interface Ink {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Draws one line of text of a size; the host's, since letters come from a canvas in browsers and from a file in Node. */
export type TextPainter = (text: string, sizePx: number) => Ink;

const MAX_LINES = 8;

/** Lines of a text, no wider than `maxPx`; words that are wider are broken, what is beyond eight lines is cut. */
export function wrapText(paint: TextPainter, text: string, sizePx: number, maxPx: number): Ink[] {
  const lines: Ink[] = [];
  const fits = (line: string): Ink | undefined => {
    const ink = paint(line, sizePx);
    return ink.widthPx <= maxPx ? ink : undefined;
  };
  let line = '';
  let drawn: Ink | undefined;
  const flush = (): void => {
    if (drawn) lines.push(drawn);
    [line, drawn] = ['', undefined];
  };
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    const ink = fits(longer);
    if (ink) {
      [line, drawn] = [longer, ink];
      continue;
    }
    flush();
    // Broken letter by letter where one word alone is too wide.
    for (const letter of word) {
      const next = fits(line + letter);
      if (!next) flush();
      [line, drawn] = [line + letter, next ?? paint(letter, sizePx)];
    }
    if (lines.length > MAX_LINES) break;
  }
  flush();
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES - 1), paint('…', sizePx)];
}

/** Black ink on a picture, clipped at its sides. */
function drawInk(image: PixelImage, ink: Ink, leftPx: number, topPx: number): void {
  const { widthPx, heightPx, rgba } = image;
  for (let y = Math.max(0, -topPx); y < ink.heightPx && topPx + y < heightPx; y++) {
    for (let x = Math.max(0, -leftPx); x < ink.widthPx && leftPx + x < widthPx; x++) {
      const share = 1 - (ink.data[y * ink.widthPx + x] ?? 0) / 255;
      const at = 4 * ((topPx + y) * widthPx + leftPx + x);
      for (let c = 0; c < 3; c++) rgba[at + c] = Math.round((rgba[at + c] ?? 0) * share);
    }
  }
}

/** Lines below each other, each centred, around a middle. */
export function drawLines(
  image: PixelImage,
  lines: readonly Ink[],
  { centrePx, middlePx }: { readonly centrePx: number; readonly middlePx: number },
): void {
  let top = Math.round(middlePx - linesHeight(lines) / 2);
  for (const line of lines) {
    drawInk(image, line, Math.round(centrePx - line.widthPx / 2), top);
    top += line.heightPx;
  }
}

export function linesHeight(lines: readonly Ink[]): number {
  return lines.reduce((sum, line) => sum + line.heightPx, 0);
}
