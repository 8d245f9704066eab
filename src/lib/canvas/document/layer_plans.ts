/** Layer operations as pure functions from shape to shape; pixels are shared, never copied, except by `duplicateLayer`. */
import { AppError } from '../../base/errors';
import { cloneTile, TileMap } from '../tiles/tile';
import { assertLayerList, layerById, type DocumentShape, type Layer } from './document';
import { checkLayerProps, type LayerPatch, type LayerProps } from './layer';

/** @param index place in the list, 0 = bottom; default: top. Clamped to the list. */
export function addLayer(shape: DocumentShape, props: LayerProps, index = shape.layers.length): DocumentShape {
  return insert(shape, { props: checkLayerProps(props), tiles: new TileMap() }, index);
}

export function removeLayer(shape: DocumentShape, id: string): DocumentShape {
  const layer = layerById(shape, id);
  return { ...shape, layers: shape.layers.filter((other) => other !== layer) };
}

export function moveLayer(shape: DocumentShape, id: string, index: number): DocumentShape {
  const layer = layerById(shape, id);
  return insert({ ...shape, layers: shape.layers.filter((other) => other !== layer) }, layer, index);
}

/** @throws AppError `canvas/unknown-layer`, `canvas/invalid` */
export function patchLayer(shape: DocumentShape, id: string, patch: LayerPatch): DocumentShape {
  const layer = layerById(shape, id);
  const props = checkLayerProps({ ...layer.props, ...patch, id: layer.props.id, kind: layer.props.kind });
  return { ...shape, layers: shape.layers.map((other) => (other === layer ? { ...layer, props } : other)) };
}

/** A copy right above the original. */
export function duplicateLayer(shape: DocumentShape, id: string, copy: { id: string; name: string }): DocumentShape {
  const layer = layerById(shape, id);
  const tiles = new TileMap();
  for (const [key, tile] of layer.tiles.tiles) tiles.set(key, cloneTile(tile));
  const props = checkLayerProps({ ...layer.props, ...copy });
  return insert(shape, { props, tiles }, shape.layers.indexOf(layer) + 1);
}

/** @throws AppError `canvas/layer-locked` */
export function assertWritable(layer: Layer): void {
  if (!layer.props.locked) return;
  throw new AppError('canvas/layer-locked', `layer "${layer.props.name}": it is locked; unlock it to change it.`, {
    details: { id: layer.props.id },
  });
}

function insert(shape: DocumentShape, layer: Layer, index: number): DocumentShape {
  if (!Number.isSafeInteger(index)) {
    throw new AppError('canvas/invalid', `layer: index must be a whole number, got ${index}; correct it.`);
  }
  const layers = [...shape.layers];
  layers.splice(Math.max(0, Math.min(index, layers.length)), 0, layer);
  assertLayerList(layers);
  return { ...shape, layers };
}
