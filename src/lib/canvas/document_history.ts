/**
 * A document with history: what is open, what is committed, undo and redo, revisions. Which edits there are is decided by
 * the classes that extend it.
 */
import type { CanvasDocument, DocumentShape } from './document/document';
import { assertLayerList, documentRect, sameShape } from './document/document';
import type { LayerProps } from './document/layer';
import type { Rgb } from './document/pixels';
import type { Selection } from './document/selection';
import type { Affine } from './geometry/affine';
import { intersectRect, type Rect } from './geometry/rect';
import { History, type HistoryStep } from './history/history';
import type { OpenTransform } from './open_edit';
import { changedTiles, encodeChanges, type SavedChanges } from './serial/changes';
import type { TileAddress } from './serial/records';
import { tileRect } from './tiles/tile';
import type { TileDelta, TileEdit } from './tiles/tile_edit';

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

export interface EditorOptions {
  readonly historyBytes?: number | undefined;
  /** Revision of a restored document; new revisions go on from it. */
  readonly revision?: number | undefined;
}

export interface OpenWork {
  readonly edit: TileEdit;
  readonly label: string;
  readonly transform?: OpenTransform;
  matrix?: Affine;
}

export abstract class DocumentHistory {
  protected readonly document: CanvasDocument;
  protected work: OpenWork | undefined;
  private readonly history: History;
  private currentRevision: number;
  private savedRevision: number;
  private structureRevision: number;

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

  // --- Saving

  /** Committed changes after a revision; an open stroke is not among them. */
  changedTilesSince(revision: number): ChangedTiles {
    const structureChanged = this.structureRevision > revision;
    return { revision: this.savedRevision, structureChanged, tiles: changedTiles(this.document, revision) };
  }

  /** Records of everything committed after a revision (-1: of the whole document); see `serial/changes`. */
  encodeChanges(revision: number, options: { readonly compress: boolean } = { compress: true }): SavedChanges {
    return encodeChanges(this.document, revision, {
      savedRevision: this.savedRevision,
      tileAt: (map, key) => (this.work ? this.work.edit.original(map, key) : map.get(key)),
      compress: options.compress,
    });
  }

  // --- For subclasses

  /** Ends whatever is open before something else changes the document. */
  protected abstract settle(): void;

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

  protected change(label: string, plan: (shape: DocumentShape) => DocumentShape, mergeKey?: string): EditorUpdate {
    this.settle();
    return this.commit(label, plan(this.document.shape), [], mergeKey);
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
}

function redrawsAll(before: DocumentShape, after: DocumentShape): boolean {
  return (
    before.layers !== after.layers ||
    before.width !== after.width ||
    before.height !== after.height ||
    before.background !== after.background
  );
}
