/**
 * A document with history: layer operations, selection, transforms, reading out, and what to save.
 * Plain data in and out, so that it runs in a worker as well as on the page. Strokes are added by `CanvasEngine`.
 */
import { AppError } from '../base/errors';
import { CoverageSession, type Paint } from './brush/coverage_session';
import { composite, compositePremultiplied, type CompositePurpose } from './document/composite';
import {
  assertLayerList,
  documentRect,
  layerById,
  sameShape,
  type CanvasDocument,
  type DocumentShape,
  type Layer,
} from './document/document';
import {
  createLayerProps,
  isRgb,
  layerKind,
  type LayerKindId,
  type LayerPatch,
  type LayerProps,
} from './document/layer';
import { addLayer, assertWritable, duplicateLayer, moveLayer, patchLayer, removeLayer } from './document/layer_plans';
import {
  assertImage,
  premultiply,
  unpremultiplyInPlace,
  type OwnedImage,
  type PixelImage,
  type Rgb,
} from './document/pixels';
import { reframe } from './document/resize';
import {
  combineSelections,
  invertSelection,
  trimSelection,
  type Selection,
  type SelectionMode,
} from './document/selection';
import { gaussianBlur } from './document/blur';
import type { Affine } from './geometry/affine';
import { expandRect, intersectRect, isEmptyRect, roundOutRect, type Rect } from './geometry/rect';
import { History, type HistoryStep } from './history/history';
import { OpenTransform, paste } from './open_edit';
import { encodeDocument, encodeTile, type DocumentRecord, type TileAddress, type TileRecord } from './serial/records';
import { readRegion, tileRect, tileX, tileY, type Tile, type TileMap } from './tiles/tile';
import { TileEdit, type TileDelta } from './tiles/tile_edit';
import { resample, shrink } from './tools/resample';
import { polygonMask } from './tools/shape_mask';
import type { SelectArea } from './tools/tool';

/** What changed by a call; empty fields mean "nothing of that sort". */
export interface EditorUpdate {
  readonly revision: number;
  /** Document boxes to draw again. */
  readonly damage: readonly Rect[];
  /** Layers, size, background or selection changed: read `layers()` and `selection` again. */
  readonly structureChanged: boolean;
}

export interface ChangedTiles {
  /** Pass it as `since` next time. */
  readonly revision: number;
  readonly structureChanged: boolean;
  /** Tiles whose committed pixels changed, transparent ones included. */
  readonly tiles: readonly TileAddress[];
}

/** The newest state to store; see `serial/records.ts` for the order of writing. */
export interface SavedChanges {
  readonly document: DocumentRecord;
  readonly tiles: readonly TileRecord[];
}

export interface EditorOptions {
  readonly historyBytes?: number | undefined;
  /** Revision of a restored document; new revisions go on from it. */
  readonly revision?: number | undefined;
}

interface OpenWork {
  readonly edit: TileEdit;
  readonly label: string;
  readonly transform?: OpenTransform;
  matrix?: Affine;
}

export class DocumentEditor {
  protected readonly document: CanvasDocument;
  protected work: OpenWork | undefined;
  private readonly history: History;
  private currentRevision: number;
  private savedRevision: number;
  private structureRevision: number;
  private nextLayer = 1;

  constructor(document: CanvasDocument, options: EditorOptions = {}) {
    this.document = document;
    this.history = new History(options.historyBytes);
    this.currentRevision = options.revision ?? 0;
    this.savedRevision = this.currentRevision;
    this.structureRevision = this.currentRevision;
  }

  /** Rises with every visible change, within a stroke too. */
  get revision(): number {
    return this.currentRevision;
  }

  /** Revision of the last complete edit. */
  get committedRevision(): number {
    return this.savedRevision;
  }

  get size(): { readonly width: number; readonly height: number } {
    return { width: this.document.shape.width, height: this.document.shape.height };
  }

  /** The document itself, to go on with in another editor. */
  get content(): CanvasDocument {
    return this.document;
  }

  get background(): Rgb | undefined {
    return this.document.shape.background;
  }

  get selection(): Selection | undefined {
    return this.document.shape.selection;
  }

  get historyState(): {
    canUndo: boolean;
    canRedo: boolean;
    undoLabel?: string;
    redoLabel?: string;
    sizeBytes: number;
  } {
    const { canUndo, canRedo, undoLabel, redoLabel, sizeBytes } = this.history;
    return {
      canUndo,
      canRedo,
      sizeBytes,
      ...(undoLabel === undefined ? {} : { undoLabel }),
      ...(redoLabel === undefined ? {} : { redoLabel }),
    };
  }

  /** Bottom first. */
  layers(): readonly LayerProps[] {
    return this.document.shape.layers.map((layer) => layer.props);
  }

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
    const { shape } = this.document;
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
    const merged = patchLayer(removeLayer(shape, id), lower.props.id, { opacity: 1 });
    return this.commit('layer-merge', merged, edit.commit());
  }

  /** Empties a layer, or the selected part of it. */
  clearLayer(id: string): EditorUpdate {
    return this.cover(id, 'layer-clear', { mode: 'erase' });
  }

  /** Fills a layer, or the selected part of it, with one colour. */
  fillLayer(id: string, colour: Rgb): EditorUpdate {
    if (!isRgb(colour))
      throw new AppError('canvas/invalid', 'fill: colour must be three numbers in 0..255; correct it.');
    return this.cover(id, 'layer-fill', { mode: 'paint', colour });
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
    const { shape } = this.document;
    const layer = layerById(shape, id);
    assertWritable(layer);
    const source: Rect = { x: Math.round(at.x), y: Math.round(at.y), width: image.width, height: image.height };
    const inside = intersectRect(source, documentRect(shape));
    if (isEmptyRect(inside)) return this.update([], false);
    const area = readRegion(layer.tiles, inside);
    paste(area, inside, premultiply(image.data), source, how === 'replace' ? 'copy' : 'over');
    const edit = new TileEdit();
    edit.writeRegion(layer.tiles, inside, area);
    return this.commit('image-put', shape, edit.commit());
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
    const { selection } = this.document.shape;
    if (!selection || !(sigmaPx > 0)) return this.update([], false);
    const rect = intersectRect(expandRect(selection.rect, Math.ceil(3 * sigmaPx)), documentRect(this.document.shape));
    const plane = new Uint8Array(rect.width * rect.height);
    for (let y = 0; y < selection.rect.height; y++) {
      const from = y * selection.rect.width;
      const to = (y + selection.rect.y - rect.y) * rect.width + (selection.rect.x - rect.x);
      plane.set(selection.mask.subarray(from, from + selection.rect.width), to);
    }
    const soft = gaussianBlur(plane, rect.width, rect.height, sigmaPx);
    return this.setSelection({ rect, mask: Uint8Array.from(soft, (value) => Math.round(value)) });
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

  /** Takes back an open transform or stroke without a trace. */
  cancelWork(): EditorUpdate {
    const { work } = this;
    if (!work) return this.update([], false);
    this.work = undefined;
    const bounds = documentRect(this.document.shape);
    return this.touched(work.edit.rollback().map((box) => intersectRect(box, bounds)));
  }

  // --- History

  /** Takes back the last edit; an open stroke or transform instead, when there is one. */
  undo(): EditorUpdate {
    if (this.work) return this.cancelWork();
    return this.apply(this.history.takeUndo(), 'before');
  }

  redo(): EditorUpdate {
    if (this.work) return this.update([], false);
    return this.apply(this.history.takeRedo(), 'after');
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
    return composite(aloneShape(this.document.shape, id), roundOutRect(region), 'view');
  }

  /**
   * A layer's alpha as a mask, 255 = painted, softened by the layer's feather (or the one given).
   * @returns one byte per pixel of the document
   */
  exportMask(
    id: string,
    options: { featherPx?: number; invert?: boolean } = {},
  ): { width: number; height: number; data: Uint8Array<ArrayBuffer> } {
    const { shape } = this.document;
    const layer = layerById(shape, id);
    const { width, height } = shape;
    const pixels = readRegion(layer.tiles, documentRect(shape));
    const alpha = Uint8Array.from({ length: width * height }, (_, i) => pixels[i * 4 + 3] as number);
    const sigma = options.featherPx ?? layer.props.featherPx;
    const soft = sigma > 0 ? gaussianBlur(alpha, width, height, sigma) : alpha;
    const data = Uint8Array.from(soft, (value) => (options.invert ? 255 - Math.round(value) : Math.round(value)));
    return { width, height, data };
  }

  /** A small picture of a layer, or of the whole view; the longer side has `maxSidePx`, or less for small documents. */
  thumbnail(id: string | undefined, maxSidePx: number): OwnedImage {
    const shape = id === undefined ? this.document.shape : aloneShape(this.document.shape, id);
    const rect = documentRect(shape);
    const scale = Math.min(1, maxSidePx / Math.max(rect.width, rect.height));
    const width = Math.max(1, Math.round(rect.width * scale));
    const height = Math.max(1, Math.round(rect.height * scale));
    const pixels = shrink({ rect, pixels: compositePremultiplied(shape, rect, 'view') }, width, height);
    return { width, height, data: unpremultiplyInPlace(pixels) };
  }

  /** Colour that shows at a point; undefined outside the document and where nothing is painted. */
  colourAt(x: number, y: number): Rgb | undefined {
    const { data } = this.composite({ x: Math.floor(x), y: Math.floor(y), width: 1, height: 1 });
    return data[3] === 0 ? undefined : [data[0] as number, data[1] as number, data[2] as number];
  }

  // --- Saving

  /** Committed changes after a revision; an open stroke is not among them. */
  changedTilesSince(revision: number): ChangedTiles {
    const tiles: TileAddress[] = [];
    for (const { props, tiles: map } of this.document.shape.layers) {
      for (const [key, changedAt] of map.revisions) {
        if (changedAt > revision) tiles.push({ layerId: props.id, tx: tileX(key), ty: tileY(key) });
      }
    }
    return { revision: this.savedRevision, structureChanged: this.structureRevision > revision, tiles };
  }

  /**
   * Records of everything committed after a revision (-1: of the whole document).
   * @param options.compress deflate tiles: about 3 ms each on a slow core, a tenth of the bytes for line art
   */
  encodeChanges(revision: number, options: { readonly compress: boolean } = { compress: true }): SavedChanges {
    const tileAt = (map: TileMap, key: number): Tile | undefined =>
      this.work ? this.work.edit.original(map, key) : map.get(key);
    const tiles: TileRecord[] = [];
    for (const { props, tiles: map } of this.document.shape.layers) {
      for (const key of map.tiles.keys()) {
        const tile = tileAt(map, key);
        const changedAt = map.revisions.get(key) ?? 0;
        if (!tile || changedAt <= revision) continue;
        const address = {
          documentId: this.document.id,
          layerId: props.id,
          tx: tileX(key),
          ty: tileY(key),
          revision: changedAt,
        };
        tiles.push(encodeTile(tile, address, options.compress));
      }
    }
    return { document: encodeDocument(this.document, this.savedRevision, tileAt), tiles };
  }

  // --- For subclasses

  /** Ends whatever is open before something else changes the document. */
  protected settle(): void {
    if (this.work?.transform) this.endTransform();
  }

  /** Records a finished edit: shape as it is now to be, tiles as they are already. */
  protected commit(label: string, after: DocumentShape, tiles: readonly TileDelta[], mergeKey?: string): EditorUpdate {
    const before = this.document.shape;
    // A step that changes nothing must not swallow a press of undo.
    const shape = sameShape(before, after) ? before : after;
    if (before === shape && tiles.length === 0) return this.update([], false);
    this.history.push({ label, before, after: shape, tiles, mergeKey });
    return this.adopt(shape, tiles);
  }

  /** Counts a visible change that is not committed yet. */
  protected touched(damage: readonly Rect[]): EditorUpdate {
    if (damage.length > 0) this.currentRevision++;
    return this.update(damage, false);
  }

  protected update(damage: readonly Rect[], structureChanged: boolean): EditorUpdate {
    return { revision: this.currentRevision, damage, structureChanged };
  }

  private change(label: string, plan: (shape: DocumentShape) => DocumentShape, mergeKey?: string): EditorUpdate {
    this.settle();
    return this.commit(label, plan(this.document.shape), [], mergeKey);
  }

  private cover(id: string, label: string, paint: Paint): EditorUpdate {
    this.settle();
    const { shape } = this.document;
    const layer = layerById(shape, id);
    assertWritable(layer);
    const edit = new TileEdit();
    const session = new CoverageSession(edit, shape, layer, paint);
    const rect = documentRect(shape);
    session.setMask(rect, new Uint8Array(rect.width * rect.height).fill(255));
    session.flush();
    return this.commit(label, shape, edit.commit());
  }

  private apply(step: HistoryStep | undefined, side: 'before' | 'after'): EditorUpdate {
    if (!step) return this.update([], false);
    for (const delta of step.tiles) delta.map.set(delta.key, delta[side]);
    return this.adopt(step[side], step.tiles);
  }

  private adopt(shape: DocumentShape, tiles: readonly TileDelta[]): EditorUpdate {
    const before = this.document.shape;
    assertLayerList(shape.layers);
    this.document.shape = shape;
    this.savedRevision = ++this.currentRevision;
    for (const { map, key } of tiles) map.revisions.set(key, this.currentRevision);
    const structureChanged = before !== shape;
    const redrawn = redrawsAll(before, shape);
    if (structureChanged) this.structureRevision = this.currentRevision;
    if (before.layers !== shape.layers) this.stampArrivals(before, shape);
    return this.update(
      redrawn ? [documentRect(shape)] : tiles.map(({ key }) => intersectRect(tileRect(key), documentRect(shape))),
      structureChanged,
    );
  }

  /** Layers that were not there a moment ago count as changed, whatever storage knew of them before. */
  private stampArrivals(before: DocumentShape, after: DocumentShape): void {
    const known = new Set(before.layers.map((layer) => layer.tiles));
    for (const { tiles } of after.layers) {
      if (known.has(tiles)) continue;
      for (const key of tiles.tiles.keys()) tiles.revisions.set(key, this.currentRevision);
    }
  }

  private freeLayerId(): string {
    const taken = new Set(this.document.shape.layers.map((layer) => layer.props.id));
    let id: string;
    do id = `layer-${++this.nextLayer}`;
    while (taken.has(id));
    return id;
  }
}

function redrawsAll(before: DocumentShape, after: DocumentShape): boolean {
  return (
    before.layers !== after.layers ||
    before.width !== after.width ||
    before.height !== after.height ||
    before.background !== after.background
  );
}

function aloneShape(shape: DocumentShape, id: string): DocumentShape {
  const layer = layerById(shape, id);
  const props: LayerProps = { ...layer.props, opacity: 1, blendMode: 'normal', visible: true, kind: 'paint' };
  const alone: Layer = { props, tiles: layer.tiles };
  return { ...shape, background: undefined, layers: [alone] };
}

function moveSelection(shape: DocumentShape, { rect, mask }: Selection, matrix: Affine): Selection | undefined {
  const pixels = new Uint8Array(mask.length * 4);
  for (let i = 0; i < mask.length; i++) pixels[i * 4 + 3] = mask[i] as number;
  const moved = resample({ rect, pixels }, matrix, documentRect(shape));
  if (isEmptyRect(moved.rect)) return undefined;
  const alpha = Uint8Array.from({ length: moved.pixels.length / 4 }, (_, i) => moved.pixels[i * 4 + 3] as number);
  return trimSelection({ rect: moved.rect, mask: alpha });
}
