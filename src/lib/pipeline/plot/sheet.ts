/** The sheet of a plot: pictures in rows and columns, with what varies at the edges. */
import type { PixelImage } from '../../rpc/engine';
import { resampleImage } from '../resample';
import { drawLines, linesHeight, wrapText, type Ink, type TextPainter } from './text_painter';

/** Browsers' encoders take no more, and memory has to hold it twice. */
const MAX_SIDE_PX = 16_384;
const MAX_AREA_PX = 64 * 2 ** 20;

export interface SheetLabels {
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  readonly title?: string;
}

export interface SheetStyle {
  readonly marginPx: number;
  /** Absent: no labels. */
  readonly paint?: TextPainter | undefined;
}

/** How much a sheet's cells have to shrink so that all of them fit one picture; 1 where they fit as they are. */
export function sheetScale(cell: { widthPx: number; heightPx: number }, columns: number, rows: number): number {
  const [width, height] = [cell.widthPx * columns, cell.heightPx * rows];
  // A fifth is left for labels and margins.
  const side = (0.8 * MAX_SIDE_PX) / Math.max(width, height);
  const area = Math.sqrt((0.8 * MAX_AREA_PX) / (width * height));
  return Math.min(1, side, area);
}

export function shrink(image: PixelImage, scale: number): PixelImage {
  if (scale >= 1) return image;
  const size = (px: number): number => Math.max(1, Math.floor(px * scale));
  return resampleImage(image, size(image.widthPx), size(image.heightPx));
}

/**
 * @param pictures  row by row; an undefined one leaves its cell grey
 * @returns black labels on white, cells of the largest picture's size, each picture in the middle of its own
 */
export function drawSheet(
  pictures: readonly (PixelImage | undefined)[],
  labels: SheetLabels,
  { marginPx, paint }: SheetStyle,
): PixelImage {
  const [columns, rows] = [Math.max(1, labels.columns.length), Math.max(1, labels.rows.length)];
  const present = pictures.filter((picture) => picture !== undefined);
  const cellWidth = Math.max(1, ...present.map((picture) => picture.widthPx));
  const cellHeight = Math.max(1, ...present.map((picture) => picture.heightPx));
  const sizePx = Math.min(64, Math.max(12, Math.round((cellWidth + cellHeight) / 25)));
  const wrap = (texts: readonly string[], maxPx: number): Ink[][] =>
    texts.map((text) => (paint ? wrapText(paint, text, sizePx, maxPx) : []));
  const columnLines = wrap(labels.columns, Math.max(cellWidth - sizePx / 2, 2 * sizePx));
  const leftPx = labels.rows.some((row) => row !== '') && paint ? Math.max(Math.round(cellWidth * 0.75), 96) : 0;
  const rowLines = wrap(labels.rows, leftPx - sizePx);
  const innerWidth = columns * cellWidth + (columns - 1) * marginPx;
  const innerHeight = rows * cellHeight + (rows - 1) * marginPx;
  const titleLines = paint && labels.title ? wrapText(paint, labels.title, sizePx, leftPx + innerWidth) : [];
  const pad = (lines: readonly Ink[][]): number => {
    const tallest = Math.max(0, ...lines.map(linesHeight));
    return tallest === 0 ? 0 : tallest + sizePx;
  };
  const titlePx = pad([titleLines]);
  const topPx = titlePx + pad(columnLines);
  const sheet = blank(leftPx + innerWidth, topPx + innerHeight, 255);
  drawLines(sheet, titleLines, { centrePx: leftPx + innerWidth / 2, middlePx: titlePx / 2 });
  for (const [i, lines] of columnLines.entries()) {
    const centrePx = leftPx + i * (cellWidth + marginPx) + cellWidth / 2;
    drawLines(sheet, lines, { centrePx, middlePx: (titlePx + topPx) / 2 });
  }
  for (const [i, lines] of rowLines.entries()) {
    drawLines(sheet, lines, { centrePx: leftPx / 2, middlePx: topPx + i * (cellHeight + marginPx) + cellHeight / 2 });
  }
  for (let i = 0; i < columns * rows; i++) {
    const left = leftPx + (i % columns) * (cellWidth + marginPx);
    const top = topPx + Math.floor(i / columns) * (cellHeight + marginPx);
    const picture = pictures[i] ?? blank(cellWidth, cellHeight, 224);
    const shiftX = Math.floor((cellWidth - picture.widthPx) / 2);
    const shiftY = Math.floor((cellHeight - picture.heightPx) / 2);
    paste(sheet, picture, left + shiftX, top + shiftY);
  }
  return sheet;
}

/** Sheets side by side where they are tall, below each other where they are wide. */
export function joinSheets(sheets: readonly PixelImage[], marginPx: number): PixelImage {
  const [first] = sheets;
  const wide = first !== undefined && first.widthPx > first.heightPx;
  const total = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, (sizes.length - 1) * marginPx);
  const most = (sizes: readonly number[]): number => Math.max(1, ...sizes);
  const [widths, heights] = [sheets.map((s) => s.widthPx), sheets.map((s) => s.heightPx)];
  const out = blank(wide ? most(widths) : total(widths), wide ? total(heights) : most(heights), 255);
  let at = 0;
  for (const sheet of sheets) {
    paste(out, sheet, wide ? 0 : at, wide ? at : 0);
    at += (wide ? sheet.heightPx : sheet.widthPx) + marginPx;
  }
  return out;
}

function blank(widthPx: number, heightPx: number, grey: number): PixelImage {
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx).fill(grey);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  return { widthPx, heightPx, rgba };
}

function paste(sheet: PixelImage, picture: PixelImage, leftPx: number, topPx: number): void {
  for (let y = 0; y < picture.heightPx; y++) {
    const row = picture.rgba.subarray(4 * y * picture.widthPx, 4 * (y + 1) * picture.widthPx);
    sheet.rgba.set(row, 4 * ((topPx + y) * sheet.widthPx + leftPx));
  }
}
