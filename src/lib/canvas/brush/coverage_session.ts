/**
 * Coverage of one open stroke, shape or fill, and its blending onto the layer.
 * Coverage is 16 bit and separate from colour: dabs build up there up to the stroke's cap, and every visible pixel is
 * made from the original pixel once, so a stroke neither exceeds its opacity nor gathers rounding errors.
 * A second, scratch coverage holds provisional dabs; it is shown and never committed.
 */
import { documentRect, type DocumentShape, type Layer } from '../document/document';
import { layerKind } from '../document/layer';
import type { Rgb } from '../document/pixels';
import { selectionAt, type Selection } from '../document/selection';
import { EMPTY_RECT, intersectRect, isEmptyRect, type Rect } from '../geometry/rect';
import { TILE_PIXELS, TILE_SIZE, tileKey, tileKeysIn, tileRect } from '../tiles/tile';
import type { TileEdit } from '../tiles/tile_edit';
import type { Dab } from './dab';
import { stampTile } from './stamp';

export type Paint = { readonly mode: 'paint'; readonly colour: Rgb } | { readonly mode: 'erase' };

const FULL = 65535;

type Coverage = Map<number, Uint16Array<ArrayBuffer>>;

export class CoverageSession {
  private readonly coverage: Coverage = new Map();
  private readonly scratch: Coverage = new Map();
  /** Pixels to blend again at the next flush, per tile. */
  private readonly dirty = new Map<number, Rect>();
  /** Where scratch coverage is not zero. */
  private readonly scratchDirty = new Map<number, Rect>();
  private maskRect: Rect = EMPTY_RECT;
  private readonly bounds: Rect;
  private readonly paint: Paint;
  private readonly selection: Selection | undefined;

  constructor(
    private readonly edit: TileEdit,
    shape: DocumentShape,
    private readonly layer: Layer,
    paint: Paint,
  ) {
    const all = documentRect(shape);
    this.selection = shape.selection;
    this.bounds = shape.selection ? intersectRect(all, shape.selection.rect) : all;
    // Only alpha counts on a mask; white keeps its pixels equal whatever colour the painter holds.
    const isMask = layerKind(layer.props.kind).tinted;
    this.paint = isMask && paint.mode === 'paint' ? { mode: 'paint', colour: [255, 255, 255] } : paint;
  }

  /** Adds dabs to the stroke. */
  stamp(dabs: readonly Dab[]): void {
    for (const dab of dabs) this.stampInto(this.coverage, dab, this.dirty);
  }

  /** Replaces the provisional dabs. */
  setScratch(dabs: readonly Dab[]): void {
    this.clearScratch();
    for (const dab of dabs) this.stampInto(this.scratch, dab, this.scratchDirty);
    for (const [key, rect] of this.scratchDirty) addDirty(this.dirty, key, rect);
  }

  clearScratch(): void {
    for (const [key, rect] of this.scratchDirty) {
      const tile = this.scratch.get(key);
      if (!tile) continue;
      clearPart(tile, key, rect);
      addDirty(this.dirty, key, rect);
    }
    this.scratchDirty.clear();
  }

  /** Replaces the coverage of a region, 0..255 per pixel; the region set before is cleared. Not to be mixed with dabs. */
  setMask(rect: Rect, mask: Uint8Array): void {
    for (const key of tileKeysIn(this.maskRect)) {
      const part = intersectRect(tileRect(key), this.maskRect);
      const tile = this.coverage.get(key);
      if (tile) clearPart(tile, key, part);
      addDirty(this.dirty, key, part);
    }
    const inside = intersectRect(rect, this.bounds);
    this.maskRect = inside;
    for (const key of tileKeysIn(inside)) {
      const box = tileRect(key);
      const part = intersectRect(box, inside);
      const tile = coverageTile(this.coverage, key);
      for (let y = part.y; y < part.y + part.height; y++) {
        const to = (y - box.y) * TILE_SIZE - box.x;
        const from = (y - rect.y) * rect.width - rect.x;
        for (let x = part.x; x < part.x + part.width; x++) tile[to + x] = (mask[from + x] as number) * 257;
      }
      addDirty(this.dirty, key, part);
    }
  }

  /** Blends what changed since the last flush; returns the changed boxes. */
  flush(): Rect[] {
    const damage: Rect[] = [];
    for (const [key, rect] of this.dirty) {
      if (this.blend(key, rect)) damage.push(rect);
    }
    this.dirty.clear();
    return damage;
  }

  private stampInto(target: Coverage, dab: Dab, dirty: Map<number, Rect>): void {
    const reach = dab.radiusPx + 1;
    const x0 = Math.max(this.bounds.x, Math.floor(dab.x - reach));
    const y0 = Math.max(this.bounds.y, Math.floor(dab.y - reach));
    const x1 = Math.min(this.bounds.x + this.bounds.width, Math.ceil(dab.x + reach));
    const y1 = Math.min(this.bounds.y + this.bounds.height, Math.ceil(dab.y + reach));
    if (!(x1 > x0 && y1 > y0)) return;
    const lastX = Math.floor((x1 - 1) / TILE_SIZE);
    const lastY = Math.floor((y1 - 1) / TILE_SIZE);
    for (let ty = Math.floor(y0 / TILE_SIZE); ty <= lastY; ty++) {
      for (let tx = Math.floor(x0 / TILE_SIZE); tx <= lastX; tx++) {
        const key = tileKey(tx, ty);
        const left = tx * TILE_SIZE;
        const top = ty * TILE_SIZE;
        const x = Math.max(x0, left);
        const y = Math.max(y0, top);
        const part = {
          x,
          y,
          width: Math.min(x1, left + TILE_SIZE) - x,
          height: Math.min(y1, top + TILE_SIZE) - y,
        };
        stampTile(coverageTile(target, key), { x: left, y: top }, part, dab);
        addDirty(dirty, key, part);
      }
    }
  }

  private blend(key: number, rect: Rect): boolean {
    const coverage = this.coverage.get(key);
    const scratch = this.scratch.get(key);
    if (isEmptyRect(rect) || (!coverage && !scratch)) return false;
    const alphaLocked = this.layer.props.alphaLocked;
    const original = this.edit.original(this.layer.tiles, key);
    if (!original && (alphaLocked || this.paint.mode === 'erase')) return false;
    if (alphaLocked && this.paint.mode === 'erase') return false;
    const target = this.edit.writable(this.layer.tiles, key);
    const box = tileRect(key);
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      const at = (y - box.y) * TILE_SIZE + (rect.x - box.x);
      gatherRow(coverage, scratch, at, rect.width);
      if (this.selection) limitRow(this.selection, rect.x, y, rect.width);
      if (this.paint.mode === 'erase') eraseRow(target.bytes, original?.bytes, at, rect.width);
      else if (alphaLocked) recolourRow(target.bytes, original?.bytes, at, rect.width, this.paint.colour);
      else paintRow(target.bytes, original?.bytes, at, rect.width, this.paint.colour);
    }
    return true;
  }
}

function clearPart(tile: Uint16Array, key: number, part: Rect): void {
  const box = tileRect(key);
  for (let y = part.y - box.y; y < part.y - box.y + part.height; y++) {
    const start = y * TILE_SIZE + (part.x - box.x);
    tile.fill(0, start, start + part.width);
  }
}

function coverageTile(target: Coverage, key: number): Uint16Array<ArrayBuffer> {
  let tile = target.get(key);
  if (!tile) {
    tile = new Uint16Array(TILE_PIXELS);
    target.set(key, tile);
  }
  return tile;
}

function addDirty(dirty: Map<number, Rect>, key: number, rect: Rect): void {
  const known = dirty.get(key);
  if (!known) {
    dirty.set(key, rect);
    return;
  }
  const x = Math.min(known.x, rect.x);
  const y = Math.min(known.y, rect.y);
  const right = Math.max(known.x + known.width, rect.x + rect.width);
  const bottom = Math.max(known.y + known.height, rect.y + rect.height);
  dirty.set(key, { x, y, width: right - x, height: bottom - y });
}

/** Effective coverage of the row in work, 0..1; module memory because one row is blended at a time. */
const row = new Float64Array(TILE_SIZE);

function gatherRow(
  coverage: Uint16Array | undefined,
  scratch: Uint16Array | undefined,
  at: number,
  count: number,
): void {
  const scale = 1 / FULL;
  if (coverage && scratch) {
    for (let i = 0; i < count; i++) {
      const a = coverage[at + i] as number;
      const b = scratch[at + i] as number;
      row[i] = (a > b ? a : b) * scale;
    }
    return;
  }
  const only = coverage ?? scratch;
  for (let i = 0; i < count; i++) row[i] = only ? (only[at + i] as number) * scale : 0;
}

function limitRow(selection: Selection, x: number, y: number, count: number): void {
  for (let i = 0; i < count; i++) row[i] = ((row[i] as number) * selectionAt(selection, x + i, y)) / 255;
}

/** out = original·(1−k) + colour·k, premultiplied. */
function paintRow(out: Uint8Array, original: Uint8Array | undefined, at: number, count: number, colour: Rgb): void {
  const [r, g, b] = colour;
  for (let i = 0, o = at * 4; i < count; i++, o += 4) {
    const k = row[i] as number;
    if (!original) {
      out[o] = r * k + 0.5;
      out[o + 1] = g * k + 0.5;
      out[o + 2] = b * k + 0.5;
      out[o + 3] = 255 * k + 0.5;
      continue;
    }
    const keep = 1 - k;
    out[o] = (original[o] as number) * keep + r * k + 0.5;
    out[o + 1] = (original[o + 1] as number) * keep + g * k + 0.5;
    out[o + 2] = (original[o + 2] as number) * keep + b * k + 0.5;
    out[o + 3] = (original[o + 3] as number) * keep + 255 * k + 0.5;
  }
}

/** Colour changes within the paint that is there, alpha stays. */
function recolourRow(out: Uint8Array, original: Uint8Array | undefined, at: number, count: number, colour: Rgb): void {
  if (!original) return;
  const [r, g, b] = colour;
  for (let i = 0, o = at * 4; i < count; i++, o += 4) {
    const keep = 1 - (row[i] as number);
    const k = ((row[i] as number) * (original[o + 3] as number)) / 255;
    out[o] = (original[o] as number) * keep + r * k + 0.5;
    out[o + 1] = (original[o + 1] as number) * keep + g * k + 0.5;
    out[o + 2] = (original[o + 2] as number) * keep + b * k + 0.5;
    out[o + 3] = original[o + 3] as number;
  }
}

function eraseRow(out: Uint8Array, original: Uint8Array | undefined, at: number, count: number): void {
  if (!original) return;
  for (let i = 0, o = at * 4; i < count; i++, o += 4) {
    const keep = 1 - (row[i] as number);
    out[o] = (original[o] as number) * keep + 0.5;
    out[o + 1] = (original[o + 1] as number) * keep + 0.5;
    out[o + 2] = (original[o + 2] as number) * keep + 0.5;
    out[o + 3] = (original[o + 3] as number) * keep + 0.5;
  }
}
