/** Flood fill on a plain picture: tolerance, gap closing, optional growth. Bounded: one visit per pixel, no recursion. */
import type { Point } from '../geometry/rect';

export interface FillOptions {
  /** Largest difference of any channel (premultiplied, 0..255) that still counts as the same colour. */
  readonly tolerance: number;
  /** Gaps in the outline up to this width hold the paint back; 0 = off, at most `GAP_MAX_PX`. */
  readonly closeGapPx: number;
  /** Extends the result under an anti-aliased outline, 0..`GROW_MAX_PX`. */
  readonly growPx: number;
  /** False: every pixel of that colour, connected or not. */
  readonly contiguous: boolean;
}

export const GAP_MAX_PX = 32;
const GROW_MAX_PX = 32;

export interface FillPicture {
  readonly width: number;
  readonly height: number;
  /** Premultiplied RGBA8. */
  readonly pixels: Uint8Array;
}

/**
 * Coverage 0 or 255 of the region around `at`; all 0 when `at` lies outside.
 * Gap closing: pixels nearer than half the gap to an outline are closed (box erosion), the rest is flooded, and the
 * flooded region grows back over fillable pixels by the same distance, so it reaches the outline and only the gap stays shut.
 */
export function floodFill(picture: FillPicture, at: Point, options: FillOptions): Uint8Array<ArrayBuffer> {
  const { width, height } = picture;
  const x = Math.floor(at.x);
  const y = Math.floor(at.y);
  if (!(x >= 0 && y >= 0 && x < width && y < height)) return new Uint8Array(width * height);
  const fillable = similarPixels(picture, y * width + x, Math.min(255, Math.max(0, options.tolerance)));
  const grow = clampWhole(options.growPx, GROW_MAX_PX);
  if (!options.contiguous) return growMask(fillable, width, height, grow, undefined);
  const closeBy = Math.ceil(clampWhole(options.closeGapPx, GAP_MAX_PX) / 2);
  let filled: Uint8Array<ArrayBuffer> | undefined;
  if (closeBy > 0) {
    const open = erode(fillable, width, height, closeBy);
    const seed = nearestOpen(open, fillable, width, height, { x, y }, closeBy);
    // A seed in a place narrower than the gap has nowhere to flow: fill without closing.
    if (seed !== undefined) filled = growMask(scanFill(open, width, height, seed), width, height, closeBy, fillable);
  }
  filled ??= scanFill(fillable, width, height, y * width + x);
  return growMask(filled, width, height, grow, undefined);
}

function clampWhole(value: number, max: number): number {
  return Number.isFinite(value) ? Math.min(max, Math.max(0, Math.round(value))) : 0;
}

function similarPixels(
  { pixels, width, height }: FillPicture,
  seed: number,
  tolerance: number,
): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(width * height);
  const r = pixels[seed * 4] as number;
  const g = pixels[seed * 4 + 1] as number;
  const b = pixels[seed * 4 + 2] as number;
  const a = pixels[seed * 4 + 3] as number;
  for (let i = 0, o = 0; i < mask.length; i++, o += 4) {
    const same =
      Math.abs((pixels[o] as number) - r) <= tolerance &&
      Math.abs((pixels[o + 1] as number) - g) <= tolerance &&
      Math.abs((pixels[o + 2] as number) - b) <= tolerance &&
      Math.abs((pixels[o + 3] as number) - a) <= tolerance;
    if (same) mask[i] = 255;
  }
  return mask;
}

/** Span fill: takes whole runs of a row from a stack and looks for runs above and below. */
function scanFill(open: Uint8Array, width: number, height: number, seed: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(open.length);
  const stack: number[] = [seed];
  while (stack.length > 0) {
    const start = stack.pop() as number;
    if (out[start] || !open[start]) continue;
    const rowStart = start - (start % width);
    let left = start;
    while (left > rowStart && open[left - 1] && !out[left - 1]) left--;
    let right = start;
    while (right < rowStart + width - 1 && open[right + 1] && !out[right + 1]) right++;
    out.fill(255, left, right + 1);
    for (const step of [-width, width]) {
      const from = left + step;
      if (from < 0 || from >= width * height) continue;
      let inRun = false;
      for (let i = from; i <= right + step; i++) {
        const wanted = open[i] !== 0 && out[i] === 0;
        if (wanted && !inRun) stack.push(i);
        inRun = wanted;
      }
    }
  }
  return out;
}

/** Pixels whose whole (2r+1)² neighbourhood is set; the picture's border does not count as an outline. */
function erode(mask: Uint8Array, width: number, height: number, r: number): Uint8Array<ArrayBuffer> {
  const rows = new Uint8Array(mask.length);
  for (let y = 0; y < height; y++) slide(mask, rows, { start: y * width, step: 1, count: width }, r, true);
  const out = new Uint8Array(mask.length);
  for (let x = 0; x < width; x++) slide(rows, out, { start: x, step: width, count: height }, r, true);
  return out;
}

/** One line of a box filter: `all` = every pixel of the window set, else any. */
function slide(
  from: Uint8Array,
  to: Uint8Array,
  line: { start: number; step: number; count: number },
  r: number,
  all: boolean,
): void {
  const { start, step, count } = line;
  let set = 0;
  for (let i = 0; i < Math.min(r, count); i++) if (from[start + i * step]) set++;
  for (let i = 0; i < count; i++) {
    if (i + r < count && from[start + (i + r) * step]) set++;
    if (i - r - 1 >= 0 && from[start + (i - r - 1) * step]) set--;
    const window = Math.min(count - 1, i + r) - Math.max(0, i - r) + 1;
    to[start + i * step] = (all ? set === window : set > 0) ? 255 : 0;
  }
}

/** First open pixel reachable from the seed over fillable pixels within `r` steps. */
function nearestOpen(
  open: Uint8Array,
  fillable: Uint8Array,
  width: number,
  height: number,
  at: Point,
  r: number,
): number | undefined {
  const seen = new Set<number>();
  let front = [at.y * width + at.x];
  for (let step = 0; step <= r && front.length > 0; step++) {
    const next: number[] = [];
    for (const i of front) {
      if (seen.has(i) || !fillable[i]) continue;
      if (open[i]) return i;
      seen.add(i);
      forNeighbours(i, width, height, (n) => next.push(n));
    }
    front = next;
  }
  return undefined;
}

/**
 * Grows a mask by `r` steps. Inside `within` diagonal steps count too, as the erosion that it undoes took squares; a
 * diagonal needs an open pixel beside it, so thin slanted outlines hold.
 */
function growMask(
  mask: Uint8Array<ArrayBuffer>,
  width: number,
  height: number,
  r: number,
  within: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  let front: number[] = [];
  if (r > 0) for (let i = 0; i < mask.length; i++) if (mask[i]) front.push(i);
  for (let step = 0; step < r; step++) {
    const next: number[] = [];
    for (const i of front) {
      const take = (n: number): void => {
        if (mask[n] || (within && !within[n])) return;
        mask[n] = 255;
        next.push(n);
      };
      forNeighbours(i, width, height, take);
      if (within) forDiagonals(i, width, height, (n, a, b) => (within[a] || within[b] ? take(n) : undefined));
    }
    front = next;
  }
  return mask;
}

function forNeighbours(i: number, width: number, height: number, visit: (index: number) => void): void {
  const x = i % width;
  if (x > 0) visit(i - 1);
  if (x < width - 1) visit(i + 1);
  if (i >= width) visit(i - width);
  if (i < width * (height - 1)) visit(i + width);
}

/** Visits diagonal neighbours with the two pixels that lie beside the step. */
function forDiagonals(
  i: number,
  width: number,
  height: number,
  visit: (index: number, besideX: number, besideY: number) => void,
): void {
  const x = i % width;
  for (const dy of [-width, width]) {
    if (i + dy < 0 || i + dy >= width * height) continue;
    if (x > 0) visit(i + dy - 1, i - 1, i + dy);
    if (x < width - 1) visit(i + dy + 1, i + 1, i + dy);
  }
}
