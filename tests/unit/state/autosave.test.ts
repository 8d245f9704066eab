import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { restoreDocument, type DocumentRecord, type TileRecord } from '../../../src/lib/canvas/serial/records';
import { Autosave } from '../../../src/lib/state/autosave.svelte';
import type { DocumentStore } from '../../../src/lib/storage/document_store';
import { newEngine, snapshot, stroke } from '../canvas/editing';
import { CanvasEngine } from '../../../src/lib/canvas/canvas_engine';

/** A store in memory whose disk can be full. */
function disk() {
  const tiles = new Map<string, TileRecord>();
  let document: DocumentRecord | undefined;
  const state = { full: false, saves: 0 };
  const store = {
    save: (_entry: unknown, record: DocumentRecord, changed: readonly TileRecord[]) => {
      if (state.full) return Promise.reject(new AppError('storage/quota', 'document: the disk is full; free some.'));
      state.saves++;
      for (const tile of changed) tiles.set(`${tile.layerId}/${tile.tx}/${tile.ty}/${tile.revision}`, tile);
      document = record;
      return Promise.resolve();
    },
  } as unknown as DocumentStore;
  return { state, store, load: () => document && new CanvasEngine(restoreDocument(document, tiles.values()).document) };
}

const entry = () => ({ id: 'd', name: '' });
const line = (y: number) =>
  [
    [20, y],
    [200, y],
  ] as const;

describe('autosave', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('navigator', {});
    // Without the page's compiler the reactive fields are plain ones.
    const field = (value: unknown) => value;
    vi.stubGlobal('$state', Object.assign(field, { raw: field }));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('stores soon after a stroke, at the latest after a second of strokes', async () => {
    const { state, store, load } = disk();
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base' });
    const autosave = new Autosave(store, engine, entry, -1);
    for (let t = 0; t < 1000; t += 250) {
      stroke(engine, line(20 + t / 10));
      autosave.touch(t);
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(state.saves).toBe(1);
    stroke(engine, line(200));
    autosave.touch(1000);
    await vi.advanceTimersByTimeAsync(300);
    expect(autosave.phase).toBe('saved');
    expect(snapshot(load()!)).toBe(snapshot(engine));
  });

  it('says that the disk is full, keeps what was drawn, and stores all of it once there is room', async () => {
    const { state, store, load } = disk();
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base' });
    const autosave = new Autosave(store, engine, entry, -1);
    state.full = true;
    stroke(engine, line(40));
    autosave.touch(0);
    await vi.advanceTimersByTimeAsync(300);
    expect(autosave.phase).toBe('failed');
    expect(autosave.error?.code).toBe('storage/quota');
    stroke(engine, line(80));
    autosave.touch(400);
    await vi.advanceTimersByTimeAsync(300);
    expect(load()).toBeUndefined();
    state.full = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect(autosave.phase).toBe('saved');
    expect(autosave.error).toBeUndefined();
    expect(snapshot(load()!)).toBe(snapshot(engine));
  });
});
