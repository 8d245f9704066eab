/**
 * A raster document: an immutable shape (size, background, selection, layer list) over sparse tiles.
 * Changing the shape means replacing it, so history keeps shapes by reference and layer steps cost next to nothing.
 */
import { AppError } from '../../base/errors';
import type { Rect } from '../geometry/rect';
import { TileMap } from '../tiles/tile';
import { checkLayerProps, createLayerProps, isRgb, type LayerProps } from './layer';
import type { Rgb } from './pixels';
import { sameSelection, type Selection } from './selection';

const MAX_SIDE_PX = 16384;
/** 64 Mpx: 256 MiB for one full layer. */
export const MAX_PIXELS = 1 << 26;
export const MAX_LAYERS = 64;

export interface Layer {
  readonly props: LayerProps;
  readonly tiles: TileMap;
}

export interface DocumentShape {
  readonly width: number;
  readonly height: number;
  /** Colour below all layers; undefined is transparent. */
  readonly background: Rgb | undefined;
  /** Bottom first. */
  readonly layers: readonly Layer[];
  readonly selection: Selection | undefined;
}

export interface CanvasDocument {
  readonly id: string;
  shape: DocumentShape;
}

export interface NewDocument {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly background?: Rgb | undefined;
  /** Bottom first; default: one empty paint layer. */
  readonly layers?: readonly LayerProps[];
}

/** @throws AppError `canvas/invalid`, `canvas/too-large` */
export function createDocument(options: NewDocument): CanvasDocument {
  const { id, width, height, background } = options;
  if (typeof id !== 'string' || id.length === 0) {
    throw new AppError('canvas/invalid', 'document: id must be a non-empty text; give it one.');
  }
  assertDocumentSize(width, height);
  if (background !== undefined && !isRgb(background)) {
    throw new AppError(
      'canvas/invalid',
      `document: background must be three numbers in 0..255, got ${JSON.stringify(background)}; correct the value.`,
    );
  }
  const props = options.layers ?? [createLayerProps('layer-1', 'paint', '')];
  const layers = props.map((given) => ({ props: checkLayerProps(given), tiles: new TileMap() }));
  assertLayerList(layers);
  return { id, shape: { width, height, background, layers, selection: undefined } };
}

/** @throws AppError `canvas/invalid` for sizes that are no positive whole numbers, `canvas/too-large` above the limits */
export function assertDocumentSize(width: number, height: number): void {
  if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
    throw new AppError(
      'canvas/invalid',
      `document: width and height must be whole numbers from 1, got ${width} × ${height}; correct the size.`,
      { details: { width, height } },
    );
  }
  if (width > MAX_SIDE_PX || height > MAX_SIDE_PX || width * height > MAX_PIXELS) {
    throw new AppError(
      'canvas/too-large',
      `document: at most ${MAX_SIDE_PX} px a side and ${MAX_PIXELS} px in all, got ${width} × ${height}; choose a smaller size.`,
      { details: { width, height, maxSidePx: MAX_SIDE_PX, maxPixels: MAX_PIXELS } },
    );
  }
}

/** @throws AppError `canvas/invalid` for repeated ids, `canvas/too-large` for too many layers */
export function assertLayerList(layers: readonly Layer[]): void {
  if (layers.length > MAX_LAYERS) {
    throw new AppError(
      'canvas/too-large',
      `document: at most ${MAX_LAYERS} layers, got ${layers.length}; merge some.`,
      { details: { layers: layers.length, maxLayers: MAX_LAYERS } },
    );
  }
  const ids = new Set(layers.map((layer) => layer.props.id));
  if (ids.size !== layers.length) {
    throw new AppError('canvas/invalid', 'document: layer ids must differ, got a repeated one; rename it.', {
      details: { ids: layers.map((layer) => layer.props.id) },
    });
  }
}

/** @throws AppError `canvas/unknown-layer` */
export function layerById(shape: DocumentShape, id: string): Layer {
  const layer = shape.layers.find((candidate) => candidate.props.id === id);
  if (!layer) {
    throw new AppError('canvas/unknown-layer', `document: no layer "${id}"; it was removed. Choose another.`, {
      details: { id, known: shape.layers.map((candidate) => candidate.props.id) },
    });
  }
  return layer;
}

export function documentRect(shape: Pick<DocumentShape, 'width' | 'height'>): Rect {
  return { x: 0, y: 0, width: shape.width, height: shape.height };
}

/** Whether two shapes look and behave the same: equal values over the same pixels. */
export function sameShape(a: DocumentShape, b: DocumentShape): boolean {
  if (a === b) return true;
  const layersSame =
    a.layers.length === b.layers.length &&
    a.layers.every((layer, i) => {
      const other = b.layers[i];
      return (
        other?.tiles === layer.tiles &&
        (other.props === layer.props || JSON.stringify(other.props) === JSON.stringify(layer.props))
      );
    });
  return (
    layersSame &&
    a.width === b.width &&
    a.height === b.height &&
    String(a.background) === String(b.background) &&
    sameSelection(a.selection, b.selection)
  );
}
