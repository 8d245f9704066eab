import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { newEngine, stroke } from './editing';
import { sameBytes } from './same_bytes';

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
    const { width, height } = engine.size;
    engine.putImage('base', red, { x: width - 1, y: height - 1 });
    expect(engine.colourAt(0, 0)).toEqual([255, 0, 0]);
    expect(engine.colourAt(1, 0)).toEqual([255, 255, 255]);
    expect(() => engine.putImage('base', { ...red, width: 3 }, { x: 0, y: 0 })).toThrowError(AppError);
    engine.resizeCanvas({ x: -10, y: -5, width: 400, height: 300 });
    expect(engine.colourAt(10, 5)).toEqual([255, 0, 0]);
    expect(engine.size).toEqual({ width: 400, height: 300 });
    engine.resizeCanvas({ x: 7, y: 4, width: width + 3, height: height + 1 });
    expect([engine.colourAt(3, 1), engine.colourAt(width + 2, height), engine.colourAt(4, 1)]).toEqual([
      [255, 0, 0],
      [255, 0, 0],
      [255, 255, 255],
    ]);
    engine.resizeCanvas({ x: 0, y: 0, width: 400, height: 300 });
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
