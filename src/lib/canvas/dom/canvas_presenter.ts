/**
 * Thin shell: draws an engine on a 2-D canvas, on the page or in a worker. Keeps a document-sized buffer canvas, updates
 * its damaged boxes and draws it under the viewport.
 */
import { intersectRect, isEmptyRect, type Rect } from '../geometry/rect';
import { viewMatrix, type Size, type Viewport } from '../geometry/viewport';
import type { OwnedImage } from '../document/pixels';

/** The part of the engine that presenting needs. */
export interface Presentable {
  readonly size: Size;
  readonly viewport: Viewport;
  composite(region: Rect): OwnedImage;
}

type Screen2d = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Magnified pixels stay crisp from here on, as painters expect. */
const CRISP_FROM_ZOOM = 3;

export class CanvasPresenter {
  private buffer: OffscreenCanvas;
  private buffer2d: OffscreenCanvasRenderingContext2D | null;

  constructor(
    private readonly screen: Screen2d,
    private readonly source: Presentable,
  ) {
    this.buffer = new OffscreenCanvas(source.size.width, source.size.height);
    this.buffer2d = this.buffer.getContext('2d');
    this.refresh([{ x: 0, y: 0, ...source.size }]);
  }

  /** Takes over changed boxes; call `draw` afterwards. */
  refresh(damage: readonly Rect[]): void {
    const { width, height } = this.source.size;
    let boxes = damage;
    if (width !== this.buffer.width || height !== this.buffer.height) {
      this.buffer = new OffscreenCanvas(width, height);
      this.buffer2d = this.buffer.getContext('2d');
      boxes = [{ x: 0, y: 0, width, height }];
    }
    for (const box of boxes) {
      const inside = intersectRect(box, { x: 0, y: 0, width, height });
      if (isEmptyRect(inside)) continue;
      const image = this.source.composite(inside);
      this.buffer2d?.putImageData(new ImageData(image.data, image.width, image.height), inside.x, inside.y);
    }
  }

  /** Draws the whole view. @param pixelRatio device pixels per CSS pixel */
  draw(pixelRatio: number): void {
    const { screen, source } = this;
    const m = viewMatrix(source.viewport);
    screen.setTransform(1, 0, 0, 1, 0, 0);
    screen.clearRect(0, 0, screen.canvas.width, screen.canvas.height);
    screen.setTransform(
      m.a * pixelRatio,
      m.b * pixelRatio,
      m.c * pixelRatio,
      m.d * pixelRatio,
      m.e * pixelRatio,
      m.f * pixelRatio,
    );
    screen.imageSmoothingEnabled = source.viewport.zoom * pixelRatio < CRISP_FROM_ZOOM;
    screen.drawImage(this.buffer, 0, 0);
  }
}
