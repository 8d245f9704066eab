/**
 * The edits of a document: layer operations, selection, transforms, and reading out. Plain data in and out, so that it
 * runs in a worker as well as on the page. Strokes are added by `CanvasEngine`.
 */
import { AppError } from '../base/errors';
import { composite, type CompositePurpose } from './document/composite';
import { documentRect, layerById } from './document/document';
import { createLayerProps, isRgb, type LayerKindId, type LayerPatch } from './document/layer';
import { coverLayer, mergeDown, putPicture } from './document/layer_pixels';
import { addLayer, assertWritable, duplicateLayer, moveLayer, patchLayer, removeLayer } from './document/layer_plans';
import { assertImage, type OwnedImage, type PixelImage, type Rgb } from './document/pixels';
import { readLayer, readMask, readThumbnail, type MaskImage } from './document/read_out';
import { reframe } from './document/resize';
import {
  combineSelections,
  invertSelection,
  trimSelection,
  type Selection,
  type SelectionMode,
} from './document/selection';
import { featherSelection, moveSelection } from './document/selection_edits';
import { DocumentHistory, type EditorUpdate } from './document_history';
import type { Affine } from './geometry/affine';
import { intersectRect, isEmptyRect, roundOutRect, type Rect } from './geometry/rect';
import { OpenTransform } from './open_edit';
import { TileEdit } from './tiles/tile_edit';
import { polygonMask } from './tools/shape_mask';
import type { SelectArea } from './tools/tool';

export class DocumentEditor extends DocumentHistory {
  private nextLayer = 1;

  // --- Layers. All throw `canvas/unknown-layer` for ids that are not there and `canvas/invalid` for bad values.

  addLayer(
    kind: LayerKindId,
    name: string,
    options: { id?: string; index?: number; patch?: LayerPatch } = {},
  ): EditorUpdate {
    const props = { ...createLayerProps(options.id ?? this.freeLayerId(), kind, name), ...options.patch };
    return this.change('layer-add', (shape) => addLayer(shape, props, options.index));
  }

  removeLayer(id: string): EditorUpdate {
    return this.change('layer-remove', (shape) => removeLayer(shape, id));
  }

  /** @param index place after the move, 0 = bottom */
  moveLayer(id: string, index: number): EditorUpdate {
    return this.change('layer-move', (shape) => moveLayer(shape, id, index));
  }

  /** @param gesture calls with the same text become one undo step (a slider's drag) */
  patchLayer(id: string, patch: LayerPatch, gesture?: string): EditorUpdate {
    const mergeKey = gesture === undefined ? undefined : `${id}/${gesture}`;
    return this.change('layer-change', (shape) => patchLayer(shape, id, patch), mergeKey);
  }

  duplicateLayer(id: string, name: string, newId: string = this.freeLayerId()): EditorUpdate {
    return this.change('layer-duplicate', (shape) => duplicateLayer(shape, id, { id: newId, name }));
  }

  /** Draws a layer onto the one below, which takes the result at full opacity. */
  mergeDown(id: string): EditorUpdate {
    this.settle();
    const { shape, tiles } = mergeDown(this.document.shape, id);
    return this.commit('layer-merge', shape, tiles);
  }

  /** Empties a layer, or the selected part of it. */
  clearLayer(id: string): EditorUpdate {
    this.settle();
    const { shape, tiles } = coverLayer(this.document.shape, id, { mode: 'erase' });
    return this.commit('layer-clear', shape, tiles);
  }

  /** Fills a layer, or the selected part of it, with one colour. */
  fillLayer(id: string, colour: Rgb): EditorUpdate {
    if (!isRgb(colour))
      throw new AppError('canvas/invalid', 'fill: colour must be three numbers in 0..255; correct it.');
    this.settle();
    const { shape, tiles } = coverLayer(this.document.shape, id, { mode: 'paint', colour });
    return this.commit('layer-fill', shape, tiles);
  }

  /**
   * Puts a picture on a layer (a generated result, a pasted or dropped image). What leaves the document is cut off.
   * @param how `over` keeps what shows through transparent parts, `replace` overwrites
   */
  putImage(
    id: string,
    image: PixelImage,
    at: { x: number; y: number },
    how: 'over' | 'replace' = 'over',
  ): EditorUpdate {
    assertImage('put image', image);
    this.settle();
    const { shape, tiles } = putPicture(this.document.shape, id, image, at, how);
    return this.commit('image-put', shape, tiles);
  }

  setBackground(background: Rgb | undefined): EditorUpdate {
    if (background !== undefined && !isRgb(background)) {
      throw new AppError('canvas/invalid', 'background: must be three numbers in 0..255 or undefined; correct it.');
    }
    return this.change('background', (shape) => ({ ...shape, background }));
  }

  /** Crops to, or extends to, `frame` (whole pixels in present coordinates). Throws `canvas/invalid`, `canvas/too-large`. */
  resizeCanvas(frame: Rect): EditorUpdate {
    return this.change('canvas-size', (shape) => reframe(shape, roundOutRect(frame)));
  }

  // --- Selection

  select(area: SelectArea, mode: SelectionMode): EditorUpdate {
    const bounds = documentRect(this.document.shape);
    let added: Selection | undefined;
    if (area.kind === 'polygon') added = polygonMask(area.points, bounds);
    if (area.kind === 'rect') {
      const rect = intersectRect(roundOutRect(area.rect), bounds);
      if (!isEmptyRect(rect)) added = { rect, mask: new Uint8Array(rect.width * rect.height).fill(255) };
    }
    return this.setSelection(combineSelections(this.document.shape.selection, added, mode));
  }

  /** Undefined selects nothing, which limits no tool. */
  setSelection(selection: Selection | undefined): EditorUpdate {
    if (selection && selection.mask.length !== selection.rect.width * selection.rect.height) {
      throw new AppError('canvas/invalid', 'selection: the mask must fill its box; make it again.');
    }
    return this.change('selection', (shape) => ({
      ...shape,
      selection: trimSelection(selection, documentRect(shape)),
    }));
  }

  invertSelection(): EditorUpdate {
    const { shape } = this.document;
    return this.setSelection(invertSelection(shape.selection, documentRect(shape)));
  }

  /** Softens the edge of the selection by a gaussian. */
  featherSelection(sigmaPx: number): EditorUpdate {
    const { shape } = this.document;
    if (!shape.selection || !(sigmaPx > 0)) return this.update([], false);
    return this.setSelection(featherSelection(shape, shape.selection, sigmaPx));
  }

  // --- Transform of the selected pixels (or the whole layer): begin, update as often as wanted, end.

  /** Returns the box of the lifted pixels, in document pixels; width 0 when there are none. */
  beginTransform(layerId: string): Rect {
    this.settle();
    const layer = layerById(this.document.shape, layerId);
    assertWritable(layer);
    const edit = new TileEdit();
    const transform = new OpenTransform(edit, this.document.shape, layer);
    this.work = { edit, label: 'transform', transform };
    return transform.sourceRect;
  }

  /** @param matrix from where the pixels were to where they go, document → document */
  updateTransform(matrix: Affine): EditorUpdate {
    if (!this.work?.transform) throw new AppError('canvas/invalid', 'transform: none is open; begin one.');
    this.work.matrix = matrix;
    return this.touched(this.work.transform.show(matrix));
  }

  /** Keeps the transform as one undo step; a selection moves along. */
  endTransform(): EditorUpdate {
    const { work } = this;
    if (!work?.transform) return this.update([], false);
    this.work = undefined;
    const { shape } = this.document;
    const { selection } = shape;
    const after =
      selection && work.matrix ? { ...shape, selection: moveSelection(shape, selection, work.matrix) } : shape;
    return this.commit(work.label, after, work.edit.commit());
  }

  // --- Reading out

  /** A region of what the painter sees (or of the flat picture), straight RGBA8. */
  composite(region: Rect, purpose: CompositePurpose = 'view'): OwnedImage {
    return composite(this.document.shape, roundOutRect(region), purpose);
  }

  /** The flat picture: paint and sketch layers on the background. */
  exportFlat(): OwnedImage {
    return this.composite(documentRect(this.document.shape), 'flat');
  }

  /** One layer alone at full opacity, hidden or not. */
  exportLayer(id: string, region: Rect = documentRect(this.document.shape)): OwnedImage {
    return readLayer(this.document.shape, id, region);
  }

  /** A layer's alpha as a mask, 255 = painted, softened by the layer's feather (or the one given). */
  exportMask(id: string, options: { featherPx?: number; invert?: boolean } = {}): MaskImage {
    return readMask(this.document.shape, id, options);
  }

  /** A small picture of a layer, or of the whole view; the longer side has `maxSidePx`, or less for small documents. */
  thumbnail(id: string | undefined, maxSidePx: number): OwnedImage {
    return readThumbnail(this.document.shape, id, maxSidePx);
  }

  /** Colour that shows at a point; undefined outside the document and where nothing is painted. */
  colourAt(x: number, y: number): Rgb | undefined {
    const { data } = this.composite({ x: Math.floor(x), y: Math.floor(y), width: 1, height: 1 });
    return data[3] === 0 ? undefined : [data[0] as number, data[1] as number, data[2] as number];
  }

  protected override settle(): void {
    if (this.work?.transform) this.endTransform();
  }

  private freeLayerId(): string {
    const taken = new Set(this.document.shape.layers.map((layer) => layer.props.id));
    let id: string;
    do id = `layer-${++this.nextLayer}`;
    while (taken.has(id));
    return id;
  }
}
