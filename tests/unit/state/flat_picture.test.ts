import { describe, expect, it } from 'vitest';
import { CanvasEngine } from '../../../src/lib/canvas/canvas_engine';
import { createDocument } from '../../../src/lib/canvas/document/document';
import { FlatPicture } from '../../../src/lib/state/flat_picture';

const same = (a: Uint8ClampedArray, b: Uint8ClampedArray): boolean => Buffer.from(a).equals(Buffer.from(b));
const sample = (x: number, y: number) => ({ t: x, x, y, pressure: 1, tiltX: 0, tiltY: 0 });

function drawing() {
  const engine = new CanvasEngine(createDocument({ id: 'a', width: 300, height: 520, background: [255, 255, 255] }));
  return { engine, flat: new FlatPicture(engine) };
}

describe('FlatPicture', () => {
  it('is the flat picture after every damage, within a stroke too', () => {
    const { engine, flat } = drawing();
    expect(same(flat.read().rgba, engine.exportFlat().data)).toBe(true);
    flat.damage(engine.beginStroke(sample(20, 20), 'brush').damage);
    flat.damage(engine.extendStroke([sample(280, 500)]).damage);
    expect(same(flat.read().rgba, engine.exportFlat().data)).toBe(true);
    flat.damage(engine.endStroke().damage);
    flat.damage(engine.undo().damage);
    expect(same(flat.read().rgba, engine.exportFlat().data)).toBe(true);
  });

  it('composites only the tiles that were damaged', () => {
    const { engine, flat } = drawing();
    flat.read();
    const regions: number[] = [];
    const counted = new FlatPicture({
      size: engine.size,
      composite: (region, purpose) => {
        regions.push(region.width * region.height);
        return engine.composite(region, purpose);
      },
    });
    counted.read();
    expect(regions).toHaveLength(6);
    regions.length = 0;
    counted.damage([{ x: 10, y: 10, width: 5, height: 5 }]);
    counted.read();
    expect(regions).toEqual([256 * 256]);
  });

  it('hands out a picture of its own and follows a change of size', () => {
    const { engine, flat } = drawing();
    flat.read().rgba.fill(7);
    expect(same(flat.read().rgba, engine.exportFlat().data)).toBe(true);
    flat.damage(engine.resizeCanvas({ x: 0, y: 0, width: 100, height: 90 }).damage);
    const { widthPx, heightPx } = flat.read();
    expect([widthPx, heightPx]).toEqual([100, 90]);
  });
});
