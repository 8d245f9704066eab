/**
 * One open edit: copy-on-write access to tiles, ended by `commit` (gives the delta) or `rollback`.
 * The untouched originals stay readable, so a stroke always blends onto what was there when it began.
 */
import { intersectRect, type Rect } from '../geometry/rect';
import {
  cloneTile,
  createTile,
  isTransparentTile,
  TILE_SIZE,
  tileKeysIn,
  tileRect,
  tilesEqual,
  type Tile,
  type TileMap,
} from './tile';

export interface TileDelta {
  readonly map: TileMap;
  readonly key: number;
  readonly before: Tile | undefined;
  readonly after: Tile | undefined;
}

export class TileEdit {
  private readonly touched = new Map<TileMap, Map<number, { before: Tile | undefined; now: Tile }>>();

  /** The tile to write to; cloned or created on first use. */
  writable(map: TileMap, key: number): Tile {
    let ofMap = this.touched.get(map);
    if (!ofMap) {
      ofMap = new Map();
      this.touched.set(map, ofMap);
    }
    const known = ofMap.get(key);
    if (known) return known.now;
    const before = map.get(key);
    const now = before ? cloneTile(before) : createTile();
    ofMap.set(key, { before, now });
    map.set(key, now);
    return now;
  }

  /** The tile as it was before this edit. */
  original(map: TileMap, key: number): Tile | undefined {
    const known = this.touched.get(map)?.get(key);
    return known ? known.before : map.get(key);
  }

  isTouched(map: TileMap, key: number): boolean {
    return this.touched.get(map)?.has(key) ?? false;
  }

  /** Overwrites a region with premultiplied RGBA; the rect must lie at x, y ≥ 0. */
  writeRegion(map: TileMap, rect: Rect, pixels: Uint8Array): void {
    for (const key of tileKeysIn(rect)) {
      const box = tileRect(key);
      const part = intersectRect(box, rect);
      const tile = this.writable(map, key);
      for (let y = part.y; y < part.y + part.height; y++) {
        const from = ((y - rect.y) * rect.width + (part.x - rect.x)) * 4;
        tile.bytes.set(pixels.subarray(from, from + part.width * 4), ((y - box.y) * TILE_SIZE + (part.x - box.x)) * 4);
      }
    }
  }

  /** Ends the edit: tiles that became transparent are dropped, tiles that did not change leave no delta. */
  commit(): TileDelta[] {
    const deltas: TileDelta[] = [];
    for (const [map, ofMap] of this.touched) {
      for (const [key, { before, now }] of ofMap) {
        if (before ? tilesEqual(before, now) : isTransparentTile(now)) {
          map.set(key, before);
          continue;
        }
        const after = isTransparentTile(now) ? undefined : now;
        map.set(key, after);
        deltas.push({ map, key, before, after });
      }
    }
    this.touched.clear();
    return deltas;
  }

  /** Ends the edit as if it had never been. Returns the boxes of the tiles that went back. */
  rollback(): Rect[] {
    const boxes: Rect[] = [];
    for (const [map, ofMap] of this.touched) {
      for (const [key, { before }] of ofMap) {
        map.set(key, before);
        boxes.push(tileRect(key));
      }
    }
    this.touched.clear();
    return boxes;
  }
}
