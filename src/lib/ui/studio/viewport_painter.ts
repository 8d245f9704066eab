/**
 * Draws the canvas engine on the visible canvas: composites damaged boxes into a buffer of the document's size and
 * redraws only the part of the screen they cover. Called inside one animation frame; knows no events.
 */
import { expandRect, intersectRect, isEmptyRect, roundOutRect, unionRect, type Rect } from '$lib/canvas/geometry/rect';
import { chain, invertAffine, transformBounds } from '$lib/canvas/geometry/affine';
import { viewMatrix } from '$lib/canvas/geometry/viewport';
import type { CanvasEngine } from '$lib/canvas/canvas_engine';

/** Magnified pixels stay crisp from here on, as painters expect. */
const CRISP_FROM_ZOOM = 3;
const CHECKER_PX = 8;
/** Two boxes become one when that wastes less than this factor. */
const MERGE_WASTE = 1.3;
/** Around a damaged box, device pixels: its edge is smoothed into its neighbours. */
const CLIP_MARGIN_PX = 2;
/** How far a smoothed screen pixel looks, device pixels. */
const FILTER_RADIUS_PX = 2;

export class ViewportPainter {
  readonly #canvas: HTMLCanvasElement;
  readonly #screen: CanvasRenderingContext2D | null;
  readonly #engine: CanvasEngine;
  #buffer = new OffscreenCanvas(1, 1);
  #buffer2d = this.#buffer.getContext('2d');
  #checker: CanvasPattern | undefined;

  constructor(canvas: HTMLCanvasElement, engine: CanvasEngine) {
    this.#canvas = canvas;
    this.#engine = engine;
    // A hint: where the browser honours it, ink skips a stage of the compositor.
    this.#screen = canvas.getContext('2d', { desynchronized: true });
    this.#resizeBuffer();
  }

  /**
   * @param damage document boxes whose pixels changed
   * @param all redraws the whole screen (the view changed) @param pixelRatio device pixels per CSS pixel
   * @returns document pixels composited
   */
  paint(damage: readonly Rect[], all: boolean, pixelRatio: number): number {
    const { width, height } = this.#engine.size;
    const boxes = mergeBoxes(damage);
    let whole = all;
    let pixels = 0;
    if (this.#buffer.width !== width || this.#buffer.height !== height) {
      this.#resizeBuffer();
      whole = true;
      pixels = width * height;
    } else {
      for (const box of boxes) pixels += this.#composite(box);
    }
    if (whole) this.#draw(undefined, pixelRatio);
    else for (const box of boxes) this.#draw(box, pixelRatio);
    return pixels;
  }

  #resizeBuffer(): void {
    const { width, height } = this.#engine.size;
    this.#buffer = new OffscreenCanvas(width, height);
    this.#buffer2d = this.#buffer.getContext('2d');
    this.#composite({ x: 0, y: 0, width, height });
  }

  #composite(box: Rect): number {
    const inside = intersectRect(roundOutRect(box), { x: 0, y: 0, ...this.#engine.size });
    if (isEmptyRect(inside)) return 0;
    const image = this.#engine.composite(inside);
    this.#buffer2d?.putImageData(new ImageData(image.data, image.width, image.height), inside.x, inside.y);
    return area(inside);
  }

  #draw(box: Rect | undefined, pixelRatio: number): void {
    const screen = this.#screen;
    if (!screen) return;
    const { viewport, size, background } = this.#engine;
    const toScreen = chain(viewMatrix(viewport), { a: pixelRatio, b: 0, c: 0, d: pixelRatio, e: 0, f: 0 });
    screen.setTransform(1, 0, 0, 1, 0, 0);
    screen.save();
    let part: Rect = { x: 0, y: 0, ...size };
    if (box) {
      const clip = expandRect(roundOutRect(transformBounds(toScreen, box)), CLIP_MARGIN_PX);
      screen.beginPath();
      screen.rect(clip.x, clip.y, clip.width, clip.height);
      screen.clip();
      // Only what the clip shows: a software canvas would walk the whole picture otherwise. Everything that its edge
      // pixels are filtered from belongs to it, or strokes leave seams in a view that is made smaller.
      const filterPx = Math.ceil(FILTER_RADIUS_PX / (viewport.zoom * pixelRatio)) + 1;
      const shown = roundOutRect(transformBounds(invertAffine(toScreen), clip));
      part = intersectRect(expandRect(shown, filterPx), part);
    }
    screen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    const { a, b, c, d, e, f } = toScreen;
    screen.transform(a, b, c, d, e, f);
    if (!background) {
      screen.fillStyle = this.#checkerPattern(screen);
      screen.fillRect(0, 0, size.width, size.height);
    }
    screen.imageSmoothingEnabled = viewport.zoom * pixelRatio < CRISP_FROM_ZOOM;
    screen.imageSmoothingQuality = 'medium';
    if (!isEmptyRect(part)) {
      const { x, y, width, height } = part;
      screen.drawImage(this.#buffer, x, y, width, height, x, y, width, height);
    }
    screen.restore();
  }

  #checkerPattern(screen: CanvasRenderingContext2D): CanvasPattern | string {
    if (!this.#checker) {
      const tile = new OffscreenCanvas(2 * CHECKER_PX, 2 * CHECKER_PX);
      const tile2d = tile.getContext('2d');
      if (tile2d) {
        tile2d.fillStyle = '#fff';
        tile2d.fillRect(0, 0, 2 * CHECKER_PX, 2 * CHECKER_PX);
        tile2d.fillStyle = '#ddd';
        tile2d.fillRect(0, 0, CHECKER_PX, CHECKER_PX);
        tile2d.fillRect(CHECKER_PX, CHECKER_PX, CHECKER_PX, CHECKER_PX);
      }
      this.#checker = screen.createPattern(tile, 'repeat') ?? undefined;
    }
    return this.#checker ?? '#fff';
  }
}

/** Fewer boxes to composite: neighbours join when little is wasted. */
function mergeBoxes(boxes: readonly Rect[]): readonly Rect[] {
  const merged: Rect[] = [];
  for (const box of boxes) {
    if (isEmptyRect(box)) continue;
    let grown = box;
    for (let i = merged.length - 1; i >= 0; i--) {
      const other = merged[i];
      if (!other) continue;
      const union = unionRect(grown, other);
      if (area(union) > MERGE_WASTE * (area(grown) + area(other))) continue;
      grown = union;
      merged.splice(i, 1);
      i = merged.length;
    }
    merged.push(grown);
  }
  return merged;
}

function area({ width, height }: Rect): number {
  return width * height;
}
