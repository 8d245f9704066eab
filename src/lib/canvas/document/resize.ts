/** Crop and change of canvas size: every layer moves to new tiles; the old ones stay in history. */
import { intersectRect, isEmptyRect, type Rect } from '../geometry/rect';
import { readRegion, TILE_SIZE, TileMap, tileKeysIn, tileRect, isTransparentTile, createTile } from '../tiles/tile';
import { assertDocumentSize, type DocumentShape, type Layer } from './document';
import { trimSelection } from './selection';

/**
 * The document becomes what `frame` covers: smaller (crop) or larger (transparent border) than before.
 * @param frame whole pixels in the old document's coordinates; x, y may be negative
 * @throws AppError `canvas/invalid`, `canvas/too-large`
 */
export function reframe(shape: DocumentShape, frame: Rect): DocumentShape {
  assertDocumentSize(frame.width, frame.height);
  if (frame.x === 0 && frame.y === 0 && frame.width === shape.width && frame.height === shape.height) return shape;
  const bounds = { x: 0, y: 0, width: frame.width, height: frame.height };
  const moved = shape.selection && {
    rect: { ...shape.selection.rect, x: shape.selection.rect.x - frame.x, y: shape.selection.rect.y - frame.y },
    mask: shape.selection.mask,
  };
  return {
    ...shape,
    width: frame.width,
    height: frame.height,
    layers: shape.layers.map((layer): Layer => ({
      props: layer.props,
      tiles: reframeTiles(layer.tiles, shape, frame),
    })),
    selection: trimSelection(moved, bounds),
  };
}

function reframeTiles(tiles: TileMap, old: { width: number; height: number }, frame: Rect): TileMap {
  const out = new TileMap();
  const kept = intersectRect({ x: 0, y: 0, width: old.width, height: old.height }, frame);
  if (isEmptyRect(kept) || tiles.tiles.size === 0) return out;
  const target = { ...kept, x: kept.x - frame.x, y: kept.y - frame.y };
  for (const key of tileKeysIn(target)) {
    const box = tileRect(key);
    const part = intersectRect(box, target);
    const pixels = readRegion(tiles, { ...part, x: part.x + frame.x, y: part.y + frame.y });
    const tile = createTile();
    for (let y = 0; y < part.height; y++) {
      const to = ((part.y - box.y + y) * TILE_SIZE + (part.x - box.x)) * 4;
      tile.bytes.set(pixels.subarray(y * part.width * 4, (y + 1) * part.width * 4), to);
    }
    if (!isTransparentTile(tile)) out.set(key, tile);
  }
  return out;
}
