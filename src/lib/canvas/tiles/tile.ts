/**
 * Sparse pixel storage: 256 × 256 tiles of premultiplied RGBA8; an absent tile is fully transparent.
 * A tile that sits in a map outside an open edit is never written: undo, redo and saving share it by reference.
 */
import { intersectRect, type Rect } from '../geometry/rect';

export const TILE_SIZE = 256;
export const TILE_PIXELS = TILE_SIZE * TILE_SIZE;
export const TILE_BYTES = TILE_PIXELS * 4;
/** Tiles per row in a key; far above `MAX_SIDE_PX / TILE_SIZE`, so that keys survive a change of size. */
const KEY_STRIDE = 1024;

export interface Tile {
  /** Premultiplied RGBA, row by row, `TILE_BYTES` long. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory as one word per pixel (platform byte order; compare with 0 or copy only). */
  readonly words: Uint32Array<ArrayBuffer>;
}

export function createTile(): Tile {
  const buffer = new ArrayBuffer(TILE_BYTES);
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) };
}

export function cloneTile(tile: Tile): Tile {
  const copy = createTile();
  copy.words.set(tile.words);
  return copy;
}

export function tileKey(tx: number, ty: number): number {
  return ty * KEY_STRIDE + tx;
}

export function tileX(key: number): number {
  return key % KEY_STRIDE;
}

export function tileY(key: number): number {
  return Math.floor(key / KEY_STRIDE);
}

export function tileRect(key: number): Rect {
  return { x: tileX(key) * TILE_SIZE, y: tileY(key) * TILE_SIZE, width: TILE_SIZE, height: TILE_SIZE };
}

/** Keys of the tiles that touch a whole-pixel rect with x, y ≥ 0, in row order. */
export function tileKeysIn(rect: Rect): number[] {
  const keys: number[] = [];
  if (rect.width <= 0 || rect.height <= 0) return keys;
  const lastX = Math.floor((rect.x + rect.width - 1) / TILE_SIZE);
  const lastY = Math.floor((rect.y + rect.height - 1) / TILE_SIZE);
  for (let ty = Math.floor(rect.y / TILE_SIZE); ty <= lastY; ty++) {
    for (let tx = Math.floor(rect.x / TILE_SIZE); tx <= lastX; tx++) keys.push(tileKey(tx, ty));
  }
  return keys;
}

export function isTransparentTile(tile: Tile): boolean {
  const { words } = tile;
  for (let i = 0; i < TILE_PIXELS; i++) if (words[i] !== 0) return false;
  return true;
}

export function tilesEqual(a: Tile, b: Tile): boolean {
  for (let i = 0; i < TILE_PIXELS; i++) if (a.words[i] !== b.words[i]) return false;
  return true;
}

/** The pixels of one layer. `revisions` says when each tile last changed by a committed edit. */
export class TileMap {
  readonly tiles = new Map<number, Tile>();
  /** Revision of the last committed change, kept for tiles that became transparent too. */
  readonly revisions = new Map<number, number>();

  get(key: number): Tile | undefined {
    return this.tiles.get(key);
  }

  set(key: number, tile: Tile | undefined): void {
    if (tile) this.tiles.set(key, tile);
    else this.tiles.delete(key);
  }

  get sizeBytes(): number {
    return this.tiles.size * TILE_BYTES;
  }
}

/** Copies a region out: premultiplied RGBA, `rect.width * rect.height * 4` bytes. The rect may leave the tiles. */
export function readRegion(map: Pick<TileMap, 'get'>, rect: Rect): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(rect.width * rect.height * 4);
  const inside = intersectRect(rect, { x: 0, y: 0, width: 1 << 18, height: 1 << 18 });
  for (const key of tileKeysIn(inside)) {
    const tile = map.get(key);
    if (!tile) continue;
    const box = tileRect(key);
    const part = intersectRect(box, inside);
    for (let y = part.y; y < part.y + part.height; y++) {
      const from = ((y - box.y) * TILE_SIZE + (part.x - box.x)) * 4;
      out.set(tile.bytes.subarray(from, from + part.width * 4), ((y - rect.y) * rect.width + (part.x - rect.x)) * 4);
    }
  }
  return out;
}

/** Smallest box around the non-transparent pixels, cheap when there are few tiles; empty when none. */
export function contentBounds(map: TileMap): Rect {
  let minX = Infinity;
  let minY = Infinity;
  let maxX = -1;
  let maxY = -1;
  for (const [key, tile] of map.tiles) {
    const box = tileRect(key);
    for (let y = 0; y < TILE_SIZE; y++) {
      const row = y * TILE_SIZE;
      let first = 0;
      while (first < TILE_SIZE && tile.words[row + first] === 0) first++;
      if (first === TILE_SIZE) continue;
      let last = TILE_SIZE - 1;
      while (tile.words[row + last] === 0) last--;
      minX = Math.min(minX, box.x + first);
      maxX = Math.max(maxX, box.x + last);
      minY = Math.min(minY, box.y + y);
      maxY = Math.max(maxY, box.y + y);
    }
  }
  return maxX < 0
    ? { x: 0, y: 0, width: 0, height: 0 }
    : { x: minX, y: minY, width: maxX - minX + 1, height: maxY - minY + 1 };
}
