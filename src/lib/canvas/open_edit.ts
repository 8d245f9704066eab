/** Carries out the plans of one stroke on the layer's tiles; knows tools by their plans only. */
import { CoverageSession, type Paint } from './brush/coverage_session';
import { compositePremultiplied } from './document/composite';
import { documentRect, type DocumentShape, type Layer } from './document/document';
import { selectionAt, type Selection } from './document/selection';
import type { Affine } from './geometry/affine';
import { unionRect, type Rect } from './geometry/rect';
import { contentBounds, readRegion } from './tiles/tile';
import type { TileDelta, TileEdit } from './tiles/tile_edit';
import { floodFill } from './tools/fill';
import { resample, type Pixmap } from './tools/resample';
import { shapeMask } from './tools/shape_mask';
import type { ToolPlan } from './tools/tool';

/** A stroke, shape or fill in progress. */
export class OpenPaint {
  private readonly session: CoverageSession;

  constructor(
    private readonly edit: TileEdit,
    private readonly shape: DocumentShape,
    private readonly layer: Layer,
    paint: Paint,
    private readonly fillFrom: 'view' | 'layer',
  ) {
    this.session = new CoverageSession(edit, shape, layer, paint);
  }

  /** Returns the changed boxes; plans that are not about pixels change nothing. */
  apply(plan: ToolPlan): Rect[] {
    const bounds = documentRect(this.shape);
    switch (plan.kind) {
      case 'dabs':
        this.session.stamp(plan.dabs);
        this.session.setScratch(plan.scratch);
        return this.session.flush();
      case 'shape': {
        const { rect, mask } = shapeMask(plan.shape, bounds);
        this.session.setMask(rect, mask);
        return this.session.flush();
      }
      case 'fill': {
        const alone: DocumentShape = { ...this.shape, background: undefined, layers: [this.layer] };
        const pixels =
          this.fillFrom === 'view'
            ? compositePremultiplied(this.shape, bounds, 'view')
            : compositePremultiplied(alone, bounds, 'view');
        const mask = floodFill({ width: bounds.width, height: bounds.height, pixels }, plan.at, plan.options);
        this.session.setMask(bounds, mask);
        return this.session.flush();
      }
      default:
        return [];
    }
  }

  commit(): { deltas: TileDelta[]; damage: Rect[] } {
    this.session.clearScratch();
    const damage = this.session.flush();
    return { deltas: this.edit.commit(), damage };
  }
}

/** Selected (or all) pixels of a layer lifted off, shown under a changing transform. */
export class OpenTransform {
  private readonly lifted: Pixmap;
  /** The layer's pixels with the lifted ones cut out, over the area in play. */
  private readonly below: Uint8Array<ArrayBuffer>;
  private readonly bounds: Rect;
  private shownRect: Rect;

  constructor(
    private readonly edit: TileEdit,
    shape: DocumentShape,
    private readonly layer: Layer,
  ) {
    this.bounds = documentRect(shape);
    const rect = shape.selection ? shape.selection.rect : contentBounds(layer.tiles);
    const pixels = readRegion(layer.tiles, rect);
    this.below = pixels.slice();
    if (shape.selection) splitBySelection(shape.selection, rect, pixels, this.below);
    else this.below.fill(0);
    this.lifted = { rect, pixels };
    this.shownRect = rect;
  }

  get sourceRect(): Rect {
    return this.lifted.rect;
  }

  /** Shows the lifted pixels under `matrix`; always from the originals, so repeated changes lose nothing. */
  show(matrix: Affine): Rect[] {
    const moved = resample(this.lifted, matrix, this.bounds);
    const damage = unionRect(this.shownRect, unionRect(this.lifted.rect, moved.rect));
    if (damage.width <= 0 || damage.height <= 0) return [];
    const area = readRegion({ get: (key) => this.edit.original(this.layer.tiles, key) }, damage);
    paste(area, damage, this.below, this.lifted.rect, 'copy');
    paste(area, damage, moved.pixels, moved.rect, 'over');
    this.edit.writeRegion(this.layer.tiles, damage, area);
    this.shownRect = moved.rect;
    return [damage];
  }
}

/** `pixels` keeps the selected share, `rest` the other. */
function splitBySelection(selection: Selection, rect: Rect, pixels: Uint8Array, rest: Uint8Array): void {
  let o = 0;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) {
      const share = selectionAt(selection, x, y);
      for (let c = 0; c < 4; c++, o++) {
        const taken = Math.round(((pixels[o] as number) * share) / 255);
        rest[o] = (pixels[o] as number) - taken;
        pixels[o] = taken;
      }
    }
  }
}

/** Puts one premultiplied region onto another; the part outside the target is dropped. */
export function paste(
  target: Uint8Array,
  targetRect: Rect,
  source: Uint8Array,
  sourceRect: Rect,
  how: 'copy' | 'over',
): void {
  const x0 = Math.max(targetRect.x, sourceRect.x);
  const x1 = Math.min(targetRect.x + targetRect.width, sourceRect.x + sourceRect.width);
  const y0 = Math.max(targetRect.y, sourceRect.y);
  const y1 = Math.min(targetRect.y + targetRect.height, sourceRect.y + sourceRect.height);
  if (x1 <= x0) return;
  for (let y = y0; y < y1; y++) {
    let to = ((y - targetRect.y) * targetRect.width + (x0 - targetRect.x)) * 4;
    let from = ((y - sourceRect.y) * sourceRect.width + (x0 - sourceRect.x)) * 4;
    if (how === 'copy') {
      target.set(source.subarray(from, from + (x1 - x0) * 4), to);
      continue;
    }
    for (let x = x0; x < x1; x++, to += 4, from += 4) {
      const keep = 1 - (source[from + 3] as number) / 255;
      for (let c = 0; c < 4; c++)
        target[to + c] = (source[from + c] as number) + (target[to + c] as number) * keep + 0.5;
    }
  }
}
