import { describe, expect, it } from 'vitest';
import { BRUSH_PRESETS } from '../../../src/lib/canvas/brush/presets';
import { documentToScreen } from '../../../src/lib/canvas/geometry/viewport';
import type { PointerInput } from '../../../src/lib/canvas/gesture/gesture_types';
import { at, newEngine, SIZE, stroke } from './editing';
import { sameBytes } from './same_bytes';

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
