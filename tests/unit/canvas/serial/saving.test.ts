import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/lib/base/errors';
import { CanvasEngine } from '../../../../src/lib/canvas/canvas_engine';
import { restoreDocument, type DocumentRecord, type TileRecord } from '../../../../src/lib/canvas/serial/records';
import { at, edits, newEngine, snapshot, stroke } from '../editing';

describe('saving', () => {
  /** A store that follows the documented order. */
  function store() {
    const tiles = new Map<string, TileRecord>();
    let document: DocumentRecord | undefined;
    let saved = -1;
    return {
      save(engine: CanvasEngine, crashBeforeCommit = false): number {
        const { document: record, tiles: changed } = engine.encodeChanges(saved);
        for (const tile of changed)
          tiles.set(`${tile.layerId}/${tile.tx}/${tile.ty}/${tile.revision}`, structuredClone(tile));
        if (!crashBeforeCommit) {
          document = structuredClone(record);
          saved = record.revision;
        }
        return changed.length;
      },
      load: () => restoreDocument(document!, tiles.values()),
    };
  }

  it('every committed state can be restored, from changed tiles only', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(...edits), { minLength: 1, maxLength: 8 }),
        fc.array(fc.boolean()),
        (commands, undos) => {
          const engine = newEngine();
          const disk = store();
          disk.save(engine);
          commands.forEach((run, i) => {
            run(engine);
            if (undos[i]) engine.undo();
            disk.save(engine);
            const { document, revision, lost } = disk.load();
            const again = new CanvasEngine(document, { revision });
            expect(lost).toEqual([]);
            engine.setSelection(undefined);
            if (snapshot(again) !== snapshot(engine)) expect.fail('restored document differs');
          });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('writes only what changed, nothing of an open stroke, and survives a crash before the commit point', () => {
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base' });
    const disk = store();
    stroke(engine, [
      [10, 10],
      [290, 270],
    ]);
    expect(disk.save(engine)).toBe(3);
    const before = snapshot(engine);
    expect(disk.save(engine)).toBe(0);
    const since = engine.committedRevision;
    engine.beginStroke(at(20, 20));
    engine.extendStroke([at(60, 20, 4)]);
    expect(engine.changedTilesSince(since).tiles).toEqual([]);
    expect(engine.revision).toBeGreaterThan(since);
    expect(disk.save(engine)).toBe(0);
    expect(snapshot(new CanvasEngine(disk.load().document)) === before).toBe(true);
    engine.endStroke();
    expect(engine.changedTilesSince(since).tiles).toEqual([{ layerId: 'base', tx: 0, ty: 0 }]);
    disk.save(engine, true);
    expect(snapshot(new CanvasEngine(disk.load().document)) === before).toBe(true);
    disk.save(engine);
    expect(snapshot(new CanvasEngine(disk.load().document)) === snapshot(engine)).toBe(true);
  });

  it('refuses damaged records by code, or salvages the rest', () => {
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base' });
    stroke(engine, [
      [10, 10],
      [290, 270],
    ]);
    const { document, tiles } = engine.encodeChanges(-1);
    const codeOf = (act: () => unknown): string => {
      try {
        act();
      } catch (error) {
        if (error instanceof AppError) return error.code;
      }
      return 'none';
    };
    const broken = tiles.map((tile, i) => (i === 0 ? { ...tile, bytes: tile.bytes.slice(0, 3) } : tile));
    expect(codeOf(() => restoreDocument(document, broken))).toBe('canvas/corrupt-record');
    expect(codeOf(() => restoreDocument(document, tiles.slice(1)))).toBe('canvas/corrupt-record');
    expect(restoreDocument(document, broken, { salvage: true }).lost).toHaveLength(1);
    const bomb = { ...tiles[0]!, encoding: 'raw' as const, bytes: new Uint8Array(9) };
    expect(codeOf(() => restoreDocument(document, [bomb]))).toBe('canvas/corrupt-record');
    for (const bad of [
      null,
      {},
      { ...document, format: 2 },
      { ...document, layers: [null] },
      { ...document, layers: 3 },
    ]) {
      expect(codeOf(() => restoreDocument(bad as never, []))).toBe('canvas/corrupt-record');
    }
    expect(codeOf(() => restoreDocument({ ...document, width: 1e9 }, tiles))).toBe('canvas/too-large');
    expect(codeOf(() => restoreDocument({ ...document, width: 1 }, tiles))).toBe('canvas/corrupt-record');
  });
});
