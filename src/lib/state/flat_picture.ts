/** The flat picture of a document, kept up to date by its damaged tiles only: live painting reads it many times a second. */
import type { OwnedImage } from '../canvas/document/pixels';
import { intersectRect, isEmptyRect, type Rect } from '../canvas/geometry/rect';
import type { PixelImage } from '../rpc/engine';

interface Flattenable {
  readonly size: { readonly width: number; readonly height: number };
  composite(region: Rect, purpose: 'flat'): OwnedImage;
}

const TILE = 256;

export class FlatPicture {
  readonly #source: Flattenable;
  #rgba = new Uint8ClampedArray(0);
  #size = { width: 0, height: 0 };
  readonly #dirty = new Set<string>();

  constructor(source: Flattenable) {
    this.#source = source;
  }

  /** Notes document boxes that changed; costs next to nothing, the work is done by `read`. */
  damage(boxes: readonly Rect[]): void {
    for (const { x, y, width, height } of boxes) {
      for (let ty = Math.floor(y / TILE); ty * TILE < y + height; ty++) {
        for (let tx = Math.floor(x / TILE); tx * TILE < x + width; tx++) this.#dirty.add(`${tx},${ty}`);
      }
    }
  }

  /** A copy of the picture as it is now, straight RGBA. */
  read(): PixelImage {
    const { width, height } = this.#source.size;
    if (width !== this.#size.width || height !== this.#size.height) {
      this.#size = { width, height };
      this.#rgba = new Uint8ClampedArray(4 * width * height);
      this.damage([{ x: 0, y: 0, width, height }]);
    }
    for (const name of this.#dirty) this.#refresh(name);
    this.#dirty.clear();
    return { widthPx: width, heightPx: height, rgba: this.#rgba.slice() };
  }

  #refresh(name: string): void {
    const [tx = 0, ty = 0] = name.split(',').map(Number);
    const tile = { x: tx * TILE, y: ty * TILE, width: TILE, height: TILE };
    const box = intersectRect(tile, { x: 0, y: 0, ...this.#size });
    if (isEmptyRect(box)) return;
    const { data } = this.#source.composite(box, 'flat');
    for (let row = 0; row < box.height; row++) {
      const from = 4 * row * box.width;
      this.#rgba.set(data.subarray(from, from + 4 * box.width), 4 * ((box.y + row) * this.#size.width + box.x));
    }
  }
}
