import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { CanvasEngine } from '../../../src/lib/canvas/canvas_engine';
import { BRUSH_PRESETS } from '../../../src/lib/canvas/brush/presets';
import type { StrokeSample } from '../../../src/lib/canvas/brush/sample';
import { createDocument } from '../../../src/lib/canvas/document/document';
import { createLayerProps } from '../../../src/lib/canvas/document/layer';
import { scaleRotateAbout } from '../../../src/lib/canvas/geometry/affine';
import { documentToScreen } from '../../../src/lib/canvas/geometry/viewport';
import type { PointerInput } from '../../../src/lib/canvas/gesture/gesture_types';
import { restoreDocument, type DocumentRecord, type TileRecord } from '../../../src/lib/canvas/serial/records';
import type { ToolId } from '../../../src/lib/canvas/tools/registry';
import { TILE_BYTES } from '../../../src/lib/canvas/tiles/tile';
import { sameBytes } from './same_bytes';

const SIZE = { width: 300, height: 280 };

function newEngine(historyBytes?: number): CanvasEngine {
  const layers = [createLayerProps('base', 'paint', 'Base'), createLayerProps('mask', 'mask', 'Mask')];
  return new CanvasEngine(createDocument({ id: 'd', ...SIZE, layers, background: [255, 255, 255] }), { historyBytes });
}

const at = (x: number, y: number, t = 0): StrokeSample => ({ t, x, y, pressure: 1, tiltX: 0, tiltY: 0 });

function stroke(engine: CanvasEngine, points: readonly (readonly [number, number])[]): void {
  engine.beginStroke(at(...points[0]!));
  points.slice(1).forEach(([x, y], i) => engine.extendStroke([at(x, y, (i + 1) * 4)], [at(x + 30, y + 30)]));
  engine.endStroke();
}

/** Everything that undo must restore. */
function snapshot(engine: CanvasEngine): string {
  const pixels = engine.layers().map(({ id }) => Buffer.from(engine.exportLayer(id).data.buffer).toString('base64'));
  const selection = engine.selection && [engine.selection.rect, Buffer.from(engine.selection.mask).toString('base64')];
  return JSON.stringify([engine.layers(), engine.size, engine.background, selection, pixels]);
}

type Command = (engine: CanvasEngine) => void;

const coordinate = fc.integer({ min: -20, max: 320 });
const point = fc.tuple(coordinate, coordinate);
const edits: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      fc.constantFrom<ToolId>(
        'brush',
        'eraser',
        'line',
        'rect',
        'ellipse',
        'fill',
        'move',
        'select-rect',
        'select-lasso',
        'pick',
      ),
      fc.array(point, { minLength: 2, maxLength: 6 }),
      fc.constantFrom(...BRUSH_PRESETS),
      fc.constantFrom<[number, number, number]>([255, 0, 0], [0, 128, 255], [10, 10, 10]),
      fc.nat(3),
      fc.boolean(),
    )
    .map(([tool, points, preset, colour, layer, filled]) => (engine: CanvasEngine) => {
      const layers = engine.layers();
      const activeLayerId = layers[layer % Math.max(1, layers.length)]?.id ?? '';
      engine.configure({
        tool,
        brush: preset.settings,
        eraser: preset.settings,
        colour,
        activeLayerId,
        shapeFilled: filled,
        symmetry: filled ? { kind: 'vertical', centre: { x: 150, y: 140 } } : { kind: 'none' },
      });
      stroke(engine, points);
    }),
  fc.constant<Command>((engine) => void engine.addLayer('sketch', 'x')),
  fc.nat(5).map((i) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (layer) engine.removeLayer(layer.id);
  }),
  fc.tuple(fc.nat(5), fc.nat(5)).map(([i, to]) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (layer) engine.moveLayer(layer.id, to);
  }),
  fc
    .tuple(fc.nat(5), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean())
    .map(([i, opacity, flag]) => (engine: CanvasEngine) => {
      const layer = engine.layers()[i];
      if (layer)
        engine.patchLayer(
          layer.id,
          { opacity, alphaLocked: flag, blendMode: flag ? 'multiply' : 'hue' },
          flag ? 'drag' : undefined,
        );
    }),
  fc.nat(5).map((i) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (layer && engine.layers().length < 6) engine.duplicateLayer(layer.id, 'copy');
  }),
  fc.nat(5).map((i) => (engine: CanvasEngine) => {
    const layers = engine.layers();
    const upper = layers[i];
    const lower = layers[i - 1];
    if (upper && lower && (upper.kind === 'mask') === (lower.kind === 'mask')) engine.mergeDown(upper.id);
  }),
  fc.tuple(point, fc.integer({ min: 100, max: 330 })).map(([[x, y], side]) => (engine: CanvasEngine) => {
    engine.resizeCanvas({ x, y, width: side, height: side });
  }),
  fc.tuple(fc.nat(5), fc.double({ min: 0.4, max: 1.6, noNaN: true })).map(([i, scale]) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (!layer) return;
    engine.beginTransform(layer.id);
    engine.updateTransform(scaleRotateAbout({ x: 100, y: 100 }, { scaleX: scale, scaleY: scale, radians: 1 }));
    engine.updateTransform(scaleRotateAbout({ x: 120, y: 90 }, { scaleX: scale, scaleY: 1, radians: 0.3 }));
    engine.endTransform();
  }),
  fc.constant<Command>((engine) => void engine.invertSelection()),
  fc.constant<Command>((engine) => void engine.featherSelection(3)),
];

describe('history', () => {
  it('any sequence of edits, undo and redo restores every pixel and property', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.oneof(...edits).map((run) => ({ kind: 'edit' as const, run })) },
      { weight: 4, arbitrary: fc.constant({ kind: 'undo' as const, run: undefined }) },
      { weight: 3, arbitrary: fc.constant({ kind: 'redo' as const, run: undefined }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 16 }), (steps) => {
        const engine = newEngine();
        const states = [snapshot(engine)];
        let position = 0;
        for (const { kind, run } of steps) {
          if (kind === 'undo') {
            engine.undo();
            position = Math.max(0, position - 1);
          } else if (kind === 'redo') {
            engine.redo();
            position = Math.min(states.length - 1, position + 1);
          } else {
            const before = engine.historyState;
            run(engine);
            const now = snapshot(engine);
            const after = engine.historyState;
            const sameBytes = after.sizeBytes === before.sizeBytes;
            // Steps merge only where nothing was undone before.
            const merged = now !== states[position] && before.canUndo && !before.canRedo && sameBytes;
            // Ink beyond the picture's edge is a step as well, though no snapshot shows it.
            const hidden = !sameBytes || after.canRedo !== before.canRedo;
            if (merged) states[position] = now;
            // An edit that changed nothing leaves no step; one that did is one step.
            else if (now !== states[position] || hidden) states.splice(++position, states.length, now);
            else continue;
          }
          if (snapshot(engine) !== states[position]) expect.fail(`after ${kind}: not the state of step ${position}`);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('undo to the start and redo to the end after many strokes', () => {
    const engine = newEngine();
    const states = [snapshot(engine)];
    for (let i = 0; i < 8; i++) {
      engine.configure({ activeLayerId: i % 3 ? 'base' : 'mask' });
      stroke(engine, [
        [10 + i * 20, 10],
        [290 - i * 10, 270],
        [40, 200],
      ]);
      states.push(snapshot(engine));
    }
    for (let i = states.length - 2; i >= 0; i--) {
      engine.undo();
      expect(snapshot(engine) === states[i]).toBe(true);
    }
    expect(engine.historyState.canUndo).toBe(false);
    for (let i = 1; i < states.length; i++) {
      engine.redo();
      expect(snapshot(engine) === states[i]).toBe(true);
    }
    expect(engine.historyState.canRedo).toBe(false);
  });

  it('stays within the byte budget by dropping the oldest, keeps the newest', () => {
    const engine = newEngine(3 * TILE_BYTES);
    engine.configure({ activeLayerId: 'base' });
    for (let i = 0; i < 30; i++) {
      stroke(engine, [
        [20, 5 + i * 3],
        [200, 5 + i * 3],
      ]);
      expect(engine.historyState.sizeBytes).toBeLessThanOrEqual(3 * TILE_BYTES);
    }
    let undone = 0;
    while (engine.historyState.canUndo) {
      engine.undo();
      undone++;
    }
    expect(undone).toBeGreaterThan(0);
    expect(undone).toBeLessThan(6);
  });

  it('metadata steps cost next to nothing and slider drags merge', () => {
    const engine = newEngine();
    for (let i = 0; i < 100; i++) engine.patchLayer('base', { opacity: i / 100 }, 'slider-1');
    expect(engine.historyState.sizeBytes).toBeLessThan(1024);
    engine.undo();
    expect(engine.layers()[0]!.opacity).toBe(1);
  });
});

describe('strokes', () => {
  it('predicted points leave no trace', () => {
    const points: [number, number][] = [
      [20, 20],
      [100, 60],
      [180, 200],
      [250, 90],
    ];
    const withPrediction = newEngine();
    withPrediction.configure({ activeLayerId: 'base' });
    stroke(withPrediction, points);
    const without = newEngine();
    without.configure({ activeLayerId: 'base' });
    without.beginStroke(at(...points[0]!));
    points.slice(1).forEach(([x, y], i) => without.extendStroke([at(x, y, (i + 1) * 4)]));
    without.endStroke();
    expect(sameBytes(withPrediction.exportFlat().data, without.exportFlat().data)).toBe(true);
  });

  it('damage covers every pixel that changed, also when cancelled', () => {
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base', brush: BRUSH_PRESETS[1].settings });
    const whole = { x: 0, y: 0, ...SIZE };
    let shown = engine.composite(whole).data;
    const check = (damage: readonly { x: number; y: number; width: number; height: number }[]): void => {
      const now = engine.composite(whole).data;
      for (let i = 0; i < SIZE.width * SIZE.height; i++) {
        if ([0, 1, 2, 3].every((c) => now[i * 4 + c] === shown[i * 4 + c])) continue;
        const x = i % SIZE.width;
        const y = Math.floor(i / SIZE.width);
        const covered = damage.some((r) => x >= r.x && y >= r.y && x < r.x + r.width && y < r.y + r.height);
        if (!covered) expect.fail(`(${x}, ${y}) changed outside the damage`);
      }
      shown = now;
    };
    check(engine.beginStroke(at(30, 30)).damage);
    check(engine.extendStroke([at(90, 80, 4)], [at(120, 100)]).damage);
    check(engine.extendStroke([at(260, 250, 8)], []).damage);
    check(engine.cancelStroke().damage);
    expect(engine.historyState.canUndo).toBe(false);
    check(engine.beginStroke(at(30, 30)).damage);
    check(engine.extendStroke([at(90, 80, 4)], [at(120, 100)]).damage);
    check(engine.endStroke().damage);
    check(engine.undo().damage);
  });

  it('says why a stroke does nothing', () => {
    const engine = newEngine();
    engine.patchLayer('base', { locked: true });
    engine.configure({ activeLayerId: 'base' });
    expect(engine.beginStroke(at(1, 1)).notices).toEqual(['layer-locked']);
    engine.patchLayer('base', { locked: false, visible: false });
    expect(engine.beginStroke(at(1, 1)).notices).toEqual(['layer-hidden']);
    engine.configure({ activeLayerId: 'gone' });
    expect(engine.beginStroke(at(1, 1)).notices).toEqual(['no-layer']);
    expect(engine.extendStroke([at(9, 9)]).strokeActive).toBe(false);
  });

  it('wild coordinates neither hang nor throw', () => {
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base', brush: { ...BRUSH_PRESETS[0].settings, sizePx: 0.5 } });
    const pen = { pointerId: 1, pointerType: 'mouse' as const, button: 0, buttons: 1, pressure: 1, tiltX: 0, tiltY: 0 };
    engine.handlePointer({ ...pen, type: 'down', t: 0, x: 5, y: 5 });
    for (const x of [1e30, -1e300, NaN, Infinity, 7]) engine.handlePointer({ ...pen, type: 'move', t: 1, x, y: x });
    engine.handlePointer({ ...pen, type: 'up', t: 2, x: 7, y: 7 });
    expect(engine.historyState.undoLabel).toBe('brush');
  });

  it('goes from pointer events to the same pixels as from document samples, under a turned view', () => {
    const direct = newEngine();
    direct.configure({ activeLayerId: 'base' });
    stroke(direct, [
      [40, 40],
      [120, 80],
      [200, 60],
    ]);
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base' });
    engine.rotate({ x: 100, y: 100 }, Math.PI / 2);
    engine.zoom({ x: 50, y: 50 }, 2);
    const event = (type: PointerInput['type'], x: number, y: number, t: number): PointerInput => ({
      type,
      pointerId: 3,
      pointerType: 'pen',
      button: 0,
      buttons: 1,
      t,
      pressure: 1,
      tiltX: 0,
      tiltY: 0,
      ...documentToScreen(engine.viewport, { x, y }),
    });
    const seen = engine.handlePointer(event('down', 40, 40, 0));
    expect(seen.notices).toEqual(['pen-seen']);
    engine.handlePointer(event('move', 120, 80, 4));
    engine.handlePointer(event('move', 200, 60, 8));
    engine.handlePointer(event('up', 200, 60, 9));
    const a = engine.exportFlat().data;
    const b = direct.exportFlat().data;
    const worst = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
    // Screen → document rounds in the last bits of a double.
    expect(worst).toBeLessThanOrEqual(1);
  });

  it('picks a colour, selects, moves the selection with its pixels', () => {
    const engine = newEngine();
    engine.configure({ activeLayerId: 'base', tool: 'rect', shapeFilled: true, colour: [10, 200, 30] });
    stroke(engine, [
      [20, 20],
      [60, 60],
    ]);
    engine.configure({ tool: 'pick', colour: [0, 0, 0] });
    stroke(engine, [
      [30, 30],
      [31, 31],
    ]);
    expect(engine.settings.colour).toEqual([10, 200, 30]);
    engine.configure({ tool: 'select-rect' });
    stroke(engine, [
      [10, 10],
      [70, 70],
    ]);
    engine.configure({ tool: 'move' });
    stroke(engine, [
      [30, 30],
      [130, 50],
    ]);
    expect(engine.colourAt(30, 30)).toEqual([255, 255, 255]);
    expect(engine.colourAt(130, 50)).toEqual([10, 200, 30]);
    expect(engine.selection!.rect).toEqual({ x: 110, y: 30, width: 60, height: 60 });
    engine.undo();
    expect(engine.colourAt(30, 30)).toEqual([10, 200, 30]);
  });
});

describe('layers and export', () => {
  it('merging keeps the picture', () => {
    const engine = newEngine();
    engine.removeLayer('mask');
    engine.configure({ activeLayerId: 'base', tool: 'ellipse', shapeFilled: true, colour: [200, 0, 0] });
    stroke(engine, [
      [20, 20],
      [160, 160],
    ]);
    engine.addLayer('paint', 'Top', { id: 'top', patch: { blendMode: 'multiply', opacity: 0.6 } });
    engine.configure({ activeLayerId: 'top', colour: [0, 200, 120] });
    stroke(engine, [
      [80, 80],
      [270, 270],
    ]);
    engine.setBackground(undefined);
    const before = engine.exportFlat().data;
    engine.mergeDown('top');
    expect(engine.layers()).toHaveLength(1);
    expect(sameBytes(engine.exportFlat().data, before)).toBe(true);
  });

  it('masks are exported by alpha, feathered, inverted; they stay out of the flat picture', () => {
    const engine = newEngine();
    const clean = engine.exportFlat().data;
    engine.configure({ activeLayerId: 'mask', tool: 'rect', shapeFilled: true });
    stroke(engine, [
      [100, 100],
      [200, 200],
    ]);
    expect(sameBytes(engine.exportFlat().data, clean)).toBe(true);
    const hard = engine.exportMask('mask');
    expect([hard.data[150 * 300 + 150], hard.data[50 * 300 + 50]]).toEqual([255, 0]);
    engine.patchLayer('mask', { featherPx: 8 });
    const soft = engine.exportMask('mask').data;
    expect(soft[150 * 300 + 100]! - 128).toBeLessThan(10);
    expect(soft[150 * 300 + 90]!).toBeGreaterThan(0);
    expect(engine.exportMask('mask', { featherPx: 0, invert: true }).data[150 * 300 + 150]).toBe(0);
  });

  it('puts pictures partly outside, refuses broken ones, crops and extends', () => {
    const engine = newEngine();
    const red = {
      width: 2,
      height: 2,
      data: Uint8Array.from({ length: 16 }, (_, i) => (i % 4 === 0 || i % 4 === 3 ? 255 : 0)),
    };
    engine.putImage('base', red, { x: -1, y: -1 });
    expect(engine.colourAt(0, 0)).toEqual([255, 0, 0]);
    expect(engine.colourAt(1, 0)).toEqual([255, 255, 255]);
    expect(() => engine.putImage('base', { ...red, width: 3 }, { x: 0, y: 0 })).toThrowError(AppError);
    engine.resizeCanvas({ x: -10, y: -5, width: 400, height: 300 });
    expect(engine.colourAt(10, 5)).toEqual([255, 0, 0]);
    expect(engine.size).toEqual({ width: 400, height: 300 });
    expect(() => engine.resizeCanvas({ x: 0, y: 0, width: 0, height: 5 })).toThrowError(AppError);
    const small = engine.thumbnail(undefined, 40);
    expect([small.width, small.height]).toEqual([40, 30]);
    expect([...small.data.subarray(small.data.length - 4)]).toEqual([255, 255, 255, 255]);
  });

  it('clears and fills within the selection', () => {
    const engine = newEngine();
    engine.select({ kind: 'rect', rect: { x: 10, y: 10, width: 5, height: 5 } }, 'replace');
    engine.fillLayer('base', [1, 2, 3]);
    engine.setSelection(undefined);
    expect([engine.colourAt(12, 12), engine.colourAt(20, 20)]).toEqual([
      [1, 2, 3],
      [255, 255, 255],
    ]);
    engine.clearLayer('base');
    expect(engine.colourAt(12, 12)).toEqual([255, 255, 255]);
  });
});

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
