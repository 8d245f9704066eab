/**
 * Undo and redo by tile deltas and document shapes, bounded by bytes.
 * A step holds references: tiles are never written once committed, so the only memory history owns is what the
 * document no longer shows. A metadata step (rename, reorder, opacity…) owns nothing but `STEP_BYTES`.
 */
import type { DocumentShape, Layer } from '../document/document';
import type { TileDelta } from '../tiles/tile_edit';
import { TILE_BYTES, type TileMap } from '../tiles/tile';

export interface HistoryStep {
  /** Stable name of what was done, for the interface to translate ("stroke", "layer-add"…). */
  readonly label: string;
  readonly before: DocumentShape;
  readonly after: DocumentShape;
  readonly tiles: readonly TileDelta[];
  /** Steps in a row with the same key become one (dragging a slider). */
  readonly mergeKey?: string | undefined;
}

interface StoredStep extends HistoryStep {
  /** Bytes that only this step keeps alive while it can be undone / redone. */
  readonly undoBytes: number;
  readonly redoBytes: number;
}

/** Book-keeping of a step; makes endless metadata steps bounded too. */
const STEP_BYTES = 512;

/** 1 GiB suits a desktop, 128 MiB a tablet. */
const DEFAULT_HISTORY_BYTES = 1 << 27;

export class History {
  private readonly undoSteps: StoredStep[] = [];
  private readonly redoSteps: StoredStep[] = [];
  private bytes = 0;

  /** @param budgetBytes oldest steps are dropped above it; the newest step always stays */
  constructor(private readonly budgetBytes: number = DEFAULT_HISTORY_BYTES) {}

  get canUndo(): boolean {
    return this.undoSteps.length > 0;
  }

  get canRedo(): boolean {
    return this.redoSteps.length > 0;
  }

  /** Memory held by history alone. */
  get sizeBytes(): number {
    return this.bytes;
  }

  get undoLabel(): string | undefined {
    return this.undoSteps.at(-1)?.label;
  }

  get redoLabel(): string | undefined {
    return this.redoSteps.at(-1)?.label;
  }

  /** Records a step that has been done already; what was undone before is forgotten. */
  push(step: HistoryStep): void {
    for (const redo of this.redoSteps) this.bytes -= redo.redoBytes;
    const hadRedo = this.redoSteps.length > 0;
    this.redoSteps.length = 0;
    const last = this.undoSteps.at(-1);
    const merges =
      !hadRedo && last && step.mergeKey !== undefined && last.mergeKey === step.mergeKey && !step.tiles.length;
    let stored = measured(step);
    if (merges) {
      this.undoSteps.pop();
      this.bytes -= last.undoBytes;
      stored = measured({ ...step, before: last.before, tiles: last.tiles });
    }
    this.undoSteps.push(stored);
    this.bytes += stored.undoBytes;
    this.trim();
  }

  /** The step to take back, moved to the redo side; the caller applies `before`. */
  takeUndo(): HistoryStep | undefined {
    const step = this.undoSteps.pop();
    if (!step) return undefined;
    this.redoSteps.push(step);
    this.bytes += step.redoBytes - step.undoBytes;
    this.trim();
    return step;
  }

  /** The step to do again; the caller applies `after`. */
  takeRedo(): HistoryStep | undefined {
    const step = this.redoSteps.pop();
    if (!step) return undefined;
    this.undoSteps.push(step);
    this.bytes += step.undoBytes - step.redoBytes;
    this.trim();
    return step;
  }

  clear(): void {
    this.undoSteps.length = 0;
    this.redoSteps.length = 0;
    this.bytes = 0;
  }

  private trim(): void {
    let drop = 0;
    while (this.bytes > this.budgetBytes && drop < this.undoSteps.length - 1) {
      this.bytes -= (this.undoSteps[drop] as StoredStep).undoBytes;
      drop++;
    }
    if (drop > 0) this.undoSteps.splice(0, drop);
    // Redo steps furthest ahead go next; the nearest stays.
    let ahead = 0;
    while (this.bytes > this.budgetBytes && ahead < this.redoSteps.length - 1) {
      this.bytes -= (this.redoSteps[ahead] as StoredStep).redoBytes;
      ahead++;
    }
    if (ahead > 0) this.redoSteps.splice(0, ahead);
  }
}

function measured(step: HistoryStep): StoredStep {
  const { before, after, tiles } = step;
  const removed = onlyIn(before, after);
  const added = onlyIn(after, before);
  let undoBytes = STEP_BYTES + mapBytes(removed) + selectionBytes(before, after);
  let redoBytes = STEP_BYTES + mapBytes(added) + selectionBytes(after, before);
  for (const delta of tiles) {
    if (delta.before) undoBytes += TILE_BYTES;
    if (delta.after) redoBytes += TILE_BYTES;
  }
  return { ...step, undoBytes, redoBytes };
}

function onlyIn(a: DocumentShape, b: DocumentShape): Layer[] {
  if (a.layers === b.layers) return [];
  const kept = new Set<TileMap>(b.layers.map((layer) => layer.tiles));
  return a.layers.filter((layer) => !kept.has(layer.tiles));
}

function mapBytes(layers: readonly Layer[]): number {
  return layers.reduce((sum, layer) => sum + layer.tiles.sizeBytes, 0);
}

function selectionBytes(a: DocumentShape, b: DocumentShape): number {
  return a.selection && a.selection !== b.selection ? a.selection.mask.length : 0;
}
