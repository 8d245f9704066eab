/** Edits of whole layers' pixels: merged, covered, a picture put on. Each writes tiles; the caller makes them history. */
import { AppError } from '../../base/errors';
import { CoverageSession, type Paint } from '../brush/coverage_session';
import { intersectRect, isEmptyRect, type Rect } from '../geometry/rect';
import { paste } from '../open_edit';
import { readRegion, tileRect } from '../tiles/tile';
import { TileEdit, type TileDelta } from '../tiles/tile_edit';
import { compositePremultiplied } from './composite';
import { documentRect, layerById, type DocumentShape } from './document';
import { layerKind } from './layer';
import { assertWritable, patchLayer, removeLayer } from './layer_plans';
import { premultiply, type PixelImage } from './pixels';

interface PixelEdit {
  readonly shape: DocumentShape;
  readonly tiles: readonly TileDelta[];
}

/**
 * Draws a layer onto the one below, which takes the result at full opacity.
 * @throws AppError `canvas/unknown-layer`, `canvas/layer-locked`, `canvas/invalid` when nothing of its sort is below
 */
export function mergeDown(shape: DocumentShape, id: string): PixelEdit {
  const upper = layerById(shape, id);
  const lower = shape.layers[shape.layers.indexOf(upper) - 1];
  if (!lower || layerKind(lower.props.kind).tinted !== layerKind(upper.props.kind).tinted) {
    throw new AppError(
      'canvas/invalid',
      `layer "${upper.props.name}": needs a layer of its sort below; move it first.`,
    );
  }
  assertWritable(lower);
  // Painted pixels, not the wash of a mask, are what merges.
  const pair = [
    {
      tiles: lower.tiles,
      props: { ...lower.props, kind: 'paint' as const, visible: true, blendMode: 'normal' as const },
    },
    { tiles: upper.tiles, props: { ...upper.props, kind: 'paint' as const } },
  ];
  const flat = { ...shape, background: undefined, layers: pair };
  const edit = new TileEdit();
  const pixels = [...new Set([...lower.tiles.tiles.keys(), ...upper.tiles.tiles.keys()])].map((key) => {
    const rect = intersectRect(tileRect(key), documentRect(shape));
    return { rect, bytes: compositePremultiplied(flat, rect, 'view') };
  });
  for (const { rect, bytes } of pixels) edit.writeRegion(lower.tiles, rect, bytes);
  return { shape: patchLayer(removeLayer(shape, id), lower.props.id, { opacity: 1 }), tiles: edit.commit() };
}

/** Paints or erases all of a layer, or the selected part of it. @throws AppError `canvas/layer-locked` */
export function coverLayer(shape: DocumentShape, id: string, paint: Paint): PixelEdit {
  const layer = layerById(shape, id);
  assertWritable(layer);
  const edit = new TileEdit();
  const session = new CoverageSession(edit, shape, layer, paint);
  const rect = documentRect(shape);
  session.setMask(rect, new Uint8Array(rect.width * rect.height).fill(255));
  session.flush();
  return { shape, tiles: edit.commit() };
}

/** A picture on a layer; what leaves the document is cut off. @throws AppError `canvas/layer-locked` */
export function putPicture(
  shape: DocumentShape,
  id: string,
  image: PixelImage,
  at: { readonly x: number; readonly y: number },
  how: 'over' | 'replace',
): PixelEdit {
  const layer = layerById(shape, id);
  assertWritable(layer);
  const source: Rect = { x: Math.round(at.x), y: Math.round(at.y), width: image.width, height: image.height };
  const inside = intersectRect(source, documentRect(shape));
  if (isEmptyRect(inside)) return { shape, tiles: [] };
  const area = readRegion(layer.tiles, inside);
  paste(area, inside, premultiply(image.data), source, how === 'replace' ? 'copy' : 'over');
  const edit = new TileEdit();
  edit.writeRegion(layer.tiles, inside, area);
  return { shape, tiles: edit.commit() };
}
