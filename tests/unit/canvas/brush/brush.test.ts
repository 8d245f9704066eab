import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/lib/base/errors';
import { assertBrush, type BrushSettings } from '../../../../src/lib/canvas/brush/brush_settings';
import { CoverageSession } from '../../../../src/lib/canvas/brush/coverage_session';
import { dabAt, type Dab } from '../../../../src/lib/canvas/brush/dab';
import { BRUSH_PRESETS, brushPreset } from '../../../../src/lib/canvas/brush/presets';
import { tiltFraction, type StrokeSample } from '../../../../src/lib/canvas/brush/sample';
import { beginSmoothing, smooth, type SmoothingSettings } from '../../../../src/lib/canvas/brush/smoothing';
import { dabProfile } from '../../../../src/lib/canvas/brush/stamp';
import { beginPath, endPath, extendPath, provisionalDabs } from '../../../../src/lib/canvas/brush/stroke_path';
import { mirrorDabs, symmetryMaps, type Symmetry } from '../../../../src/lib/canvas/brush/symmetry';
import { createDocument } from '../../../../src/lib/canvas/document/document';
import { readRegion } from '../../../../src/lib/canvas/tiles/tile';
import { sameBytes } from '../same_bytes';
import { TileEdit } from '../../../../src/lib/canvas/tiles/tile_edit';

const plain: BrushSettings = {
  sizePx: 10,
  opacity: 1,
  flow: 1,
  hardness: 0.5,
  spacing: 0.1,
  buildUp: true,
  pressureGamma: 1,
  size: { pressure: 0, tilt: 0 },
  opacityDynamic: { pressure: 0, tilt: 0 },
  flowDynamic: { pressure: 0, tilt: 0 },
  smoothing: { kind: 'none' },
};

const at = (x: number, y: number, rest: Partial<StrokeSample> = {}): StrokeSample => ({
  t: 0,
  pressure: 1,
  tiltX: 0,
  tiltY: 0,
  ...rest,
  x,
  y,
});

function dabsOf(brush: BrushSettings, samples: readonly StrokeSample[], chunk = 1): Dab[] {
  let step = beginPath(brush, samples[0]!);
  const dabs = [...step.dabs];
  for (let i = 1; i < samples.length; i += chunk) {
    step = extendPath(brush, step.path, samples.slice(i, i + chunk));
    dabs.push(...step.dabs);
  }
  return [...dabs, ...endPath(brush, step.path)];
}

function canvas(width = 300, height = 300) {
  const document = createDocument({ id: 'd', width, height });
  const layer = document.shape.layers[0]!;
  const edit = new TileEdit();
  return { document, layer, edit, whole: { x: 0, y: 0, width, height } };
}

describe('dab', () => {
  it('follows pressure and tilt by the stated factors', () => {
    const brush: BrushSettings = {
      ...plain,
      pressureGamma: 2,
      size: { pressure: 0.5, tilt: 2 },
      opacityDynamic: { pressure: 1, tilt: 0.5 },
      flowDynamic: { pressure: 0.25, tilt: 0 },
    };
    const upright = dabAt(brush, at(0, 0, { pressure: 0.5 }));
    expect(upright.radiusPx).toBeCloseTo(5 * (0.5 + 0.5 * 0.25));
    expect(upright.cap).toBeCloseTo(0.25);
    expect(upright.flow).toBeCloseTo(0.75 + 0.25 * 0.25);
    const lying = dabAt(brush, at(0, 0, { pressure: 1, tiltX: 60 }));
    expect(lying.radiusPx).toBeCloseTo(15);
    expect(lying.cap).toBeCloseTo(0.5);
    expect(tiltFraction(0, -30)).toBeCloseTo(0.5);
    expect(tiltFraction(90, 90)).toBe(1);
  });

  it('has the stated profile: full inside, zero outside, falling between', () => {
    const dab = { radiusPx: 10, hardness: 0.5 };
    expect(dabProfile(dab, 5)).toBe(1);
    expect(dabProfile(dab, 7.5)).toBeCloseTo(0.5);
    expect(dabProfile(dab, 10)).toBe(0);
    expect(dabProfile({ radiusPx: 10, hardness: 1 }, 10)).toBeCloseTo(0.5);
    expect(dabProfile({ radiusPx: 0.25, hardness: 1 }, 0)).toBeCloseTo(0.25);
  });

  it('stamps exactly that profile', () => {
    const { document, layer, edit, whole } = canvas();
    const session = new CoverageSession(edit, document.shape, layer, { mode: 'paint', colour: [255, 255, 255] });
    const dab: Dab = { x: 255.3, y: 100.7, radiusPx: 17, hardness: 0.3, cap: 0.8, flow: 0.5, buildUp: true };
    session.stamp([dab]);
    session.flush();
    const pixels = readRegion(layer.tiles, whole);
    for (let y = 0; y < 300; y++) {
      for (let x = 0; x < 300; x++) {
        const want = 255 * 0.8 * 0.5 * dabProfile(dab, Math.hypot(x + 0.5 - dab.x, y + 0.5 - dab.y));
        const got = pixels[(y * 300 + x) * 4 + 3]!;
        if (Math.abs(got - want) > 0.51) expect.fail(`(${x}, ${y}): ${got} instead of ${want}`);
      }
    }
  });
});

describe('stroke path', () => {
  it('spaces dabs by arc length whatever the event rate', () => {
    const line = (n: number) =>
      Array.from({ length: n + 1 }, (_, i) =>
        at((200 * i) / n, (100 * i) / n, { pressure: 0.2 + (0.6 * i) / n, t: i }),
      );
    const brush = { ...plain, size: { pressure: 1, tilt: 0 } };
    const fine = dabsOf(brush, line(97));
    for (const n of [1, 2, 5, 13]) {
      const coarse = dabsOf(brush, line(n));
      expect(coarse.length).toBe(fine.length);
      coarse.forEach((dab, i) => {
        expect(dab.x).toBeCloseTo(fine[i]!.x, 6);
        expect(dab.radiusPx).toBeCloseTo(fine[i]!.radiusPx, 6);
      });
    }
    for (let i = 1; i < fine.length; i++) {
      const step = Math.hypot(fine[i]!.x - fine[i - 1]!.x, fine[i]!.y - fine[i - 1]!.y);
      expect(step).toBeCloseTo(Math.max(0.5, 0.2 * fine[i - 1]!.radiusPx), 6);
    }
  });

  it('gives the same dabs however samples are grouped into events', () => {
    const sample = fc.record({
      x: fc.double({ min: 0, max: 300, noNaN: true }),
      y: fc.double({ min: 0, max: 300, noNaN: true }),
      pressure: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.array(sample, { minLength: 2, maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (points, chunk) => {
          const samples = points.map((p, i) => at(p.x, p.y, { pressure: p.pressure, t: i * 4 }));
          for (const { settings } of BRUSH_PRESETS) {
            expect(dabsOf(settings, samples, chunk)).toEqual(dabsOf(settings, samples));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('looks ahead without changing what is drawn', () => {
    const first = extendPath(plain, beginPath(plain, at(0, 0)).path, [at(10, 0), at(20, 5)]);
    const ahead = provisionalDabs(plain, first.path, [at(60, 40)]);
    expect(Math.max(...ahead.map((dab) => dab.x))).toBeGreaterThan(55);
    expect(endPath(plain, first.path)).toEqual(endPath(plain, first.path));
    expect(Math.max(...endPath(plain, first.path).map((dab) => dab.x))).toBeLessThanOrEqual(20);
  });

  it('a tap becomes one dab of its firmest reading', () => {
    const brush = { ...plain, size: { pressure: 1, tilt: 0 } };
    const dabs = dabsOf(brush, [at(5, 5, { pressure: 0.1 }), at(5, 5, { pressure: 0.9 }), at(5, 5, { pressure: 0.2 })]);
    expect(dabs).toHaveLength(2);
    expect(dabs[1]!.radiusPx).toBeCloseTo(4.5);
  });

  it('draws to the last point when the pen lifts', () => {
    const brush: BrushSettings = { ...plain, smoothing: { kind: 'one-euro', minCutoffHz: 1, beta: 0 } };
    const samples = Array.from({ length: 11 }, (_, i) => at(i * 10, 0, { t: i * 4 }));
    expect(Math.max(...dabsOf(brush, samples).map((dab) => dab.x))).toBeGreaterThan(98);
  });
});

describe('smoothing', () => {
  const run = (settings: SmoothingSettings, samples: StrokeSample[]): StrokeSample[] => {
    let state = beginSmoothing(samples[0]!);
    return samples.map((sample) => (state = smooth(settings, state, sample)).sample);
  };

  it('one-euro equals the paper on a step and calms jitter at rest', () => {
    const settings: SmoothingSettings = { kind: 'one-euro', minCutoffHz: 1, beta: 0 };
    const [, second] = run(settings, [at(0, 0, { t: 0 }), at(10, 0, { t: 10 })]);
    const r = 2 * Math.PI * 1 * 0.01;
    expect(second!.x).toBeCloseTo((10 * r) / (r + 1), 9);
    const jitter = Array.from({ length: 200 }, (_, i) => at(i % 2 ? 1 : -1, 0, { t: i * 4 }));
    expect(
      Math.max(
        ...run(settings, jitter)
          .slice(100)
          .map((s) => Math.abs(s.x)),
      ),
    ).toBeLessThan(0.1);
  });

  it('one-euro keeps up when the pen is fast', () => {
    const fast = Array.from({ length: 60 }, (_, i) => at(i * 8, 0, { t: i * 4 }));
    const last = run({ kind: 'one-euro', minCutoffHz: 8, beta: 0.02 }, fast).at(-1)!;
    expect(59 * 8 - last.x).toBeLessThan(40);
  });

  it('a string shorter than the wobble leaves a straight line', () => {
    const wobble = Array.from({ length: 50 }, (_, i) => at(5 * Math.cos(i), 5 * Math.sin(i)));
    const out = run({ kind: 'pulled-string', lengthPx: 11 }, wobble);
    expect(out.every((s) => s.x === wobble[0]!.x && s.y === wobble[0]!.y)).toBe(true);
    const pulled = run({ kind: 'pulled-string', lengthPx: 10 }, [at(0, 0), at(30, 0)]);
    expect(pulled[1]!.x).toBeCloseTo(20);
  });
});

describe('symmetry', () => {
  const centre = { x: 150, y: 150 };
  const samples = [at(40, 60), at(90, 80, { t: 5 }), at(120, 30, { t: 9 })];
  const painted = (symmetry: Symmetry): Uint8Array => {
    const { document, layer, edit, whole } = canvas();
    const session = new CoverageSession(edit, document.shape, layer, { mode: 'paint', colour: [0, 0, 0] });
    session.stamp(mirrorDabs(symmetryMaps(symmetry), dabsOf({ ...plain, flow: 0.4 }, samples)));
    session.flush();
    return readRegion(layer.tiles, whole);
  };
  const mirrored = (pixels: Uint8Array, flipX: boolean, flipY: boolean): Uint8Array => {
    const out = new Uint8Array(pixels.length);
    for (let y = 0; y < 300; y++) {
      for (let x = 0; x < 300; x++) {
        const from = ((flipY ? 299 - y : y) * 300 + (flipX ? 299 - x : x)) * 4;
        out.set(pixels.subarray(from, from + 4), (y * 300 + x) * 4);
      }
    }
    return out;
  };

  it('mirrors to the pixel', () => {
    const vertical = painted({ kind: 'vertical', centre });
    expect(sameBytes(mirrored(vertical, true, false), vertical)).toBe(true);
    const both = painted({ kind: 'both', centre });
    expect(sameBytes(mirrored(both, true, true), both)).toBe(true);
    expect(sameBytes(mirrored(both, false, true), both)).toBe(true);
  });

  it('radial rulers give count copies, twice as many when mirrored', () => {
    expect(symmetryMaps({ kind: 'radial', centre, count: 6, mirrored: false })).toHaveLength(6);
    expect(symmetryMaps({ kind: 'radial', centre, count: 6, mirrored: true })).toHaveLength(12);
    expect(symmetryMaps({ kind: 'radial', centre, count: 1e9, mirrored: false })).toHaveLength(32);
  });
});

describe('coverage', () => {
  const stroke = (opacity: number, flow: number, buildUp = true): Dab[] =>
    Array.from({ length: 200 }, () => ({ x: 50, y: 50, radiusPx: 10, hardness: 1, cap: opacity, flow, buildUp }));

  it('never covers more than the opacity of the stroke', () => {
    for (const buildUp of [true, false]) {
      const { document, layer, edit } = canvas();
      const session = new CoverageSession(edit, document.shape, layer, { mode: 'paint', colour: [255, 0, 0] });
      session.stamp(stroke(0.5, 0.3, buildUp));
      session.flush();
      const alpha = readRegion(layer.tiles, { x: 50, y: 50, width: 1, height: 1 })[3];
      // 127.5 is the cap; 16-bit coverage approaches it from below.
      expect(alpha).toBe(buildUp ? 127 : 38);
    }
  });

  it('provisional dabs are shown and leave nothing behind', () => {
    const { document, layer, edit, whole } = canvas();
    const session = new CoverageSession(edit, document.shape, layer, { mode: 'paint', colour: [255, 0, 0] });
    session.stamp(stroke(1, 1).slice(0, 1));
    session.flush();
    const clean = readRegion(layer.tiles, whole);
    session.setScratch([{ x: 240, y: 240, radiusPx: 30, hardness: 0, cap: 1, flow: 1, buildUp: true }]);
    session.flush();
    expect(sameBytes(readRegion(layer.tiles, whole), clean)).toBe(false);
    session.clearScratch();
    session.flush();
    expect(sameBytes(readRegion(layer.tiles, whole), clean)).toBe(true);
    expect(edit.commit()).toHaveLength(1);
  });

  it('erases, respects locked alpha and the selection', () => {
    const { document, layer, edit, whole } = canvas();
    edit.writeRegion(layer.tiles, { x: 40, y: 40, width: 10, height: 20 }, new Uint8Array(800).fill(255));
    edit.commit();
    const second = new TileEdit();
    const locked = { ...layer, props: { ...layer.props, alphaLocked: true } };
    const recolour = new CoverageSession(second, document.shape, locked, { mode: 'paint', colour: [0, 0, 255] });
    recolour.stamp(stroke(1, 1));
    recolour.flush();
    expect([...readRegion(layer.tiles, { x: 49, y: 50, width: 2, height: 1 })]).toEqual([0, 0, 255, 255, 0, 0, 0, 0]);
    second.rollback();
    const third = new TileEdit();
    const rect = { x: 0, y: 0, width: 300, height: 50 };
    const selection = { rect, mask: new Uint8Array(300 * 50).fill(255) };
    const erase = new CoverageSession(third, { ...document.shape, selection }, layer, { mode: 'erase' });
    erase.stamp(stroke(1, 1));
    erase.flush();
    expect(readRegion(layer.tiles, { x: 49, y: 49, width: 1, height: 2 })[3]).toBe(0);
    expect(readRegion(layer.tiles, { x: 49, y: 50, width: 1, height: 2 })[3]).toBe(255);
    third.rollback();
    expect(readRegion(layer.tiles, whole)[(40 * 300 + 40) * 4]).toBe(255);
  });

  it('a mask takes white whatever the colour', () => {
    const document = createDocument({ id: 'd', width: 64, height: 64 });
    const layer = document.shape.layers[0]!;
    const mask = { ...layer, props: { ...layer.props, kind: 'mask' as const } };
    const session = new CoverageSession(new TileEdit(), document.shape, mask, { mode: 'paint', colour: [9, 9, 9] });
    session.setMask({ x: 1, y: 1, width: 1, height: 1 }, Uint8Array.of(255));
    session.flush();
    expect([...readRegion(layer.tiles, { x: 1, y: 1, width: 1, height: 1 })]).toEqual([255, 255, 255, 255]);
    session.setMask({ x: 2, y: 1, width: 1, height: 1 }, Uint8Array.of(128));
    session.flush();
    expect([...readRegion(layer.tiles, { x: 1, y: 1, width: 2, height: 1 })]).toEqual([0, 0, 0, 0, 128, 128, 128, 128]);
  });
});

describe('brush settings', () => {
  it('presets are in range and have distinct ids', () => {
    for (const { id } of BRUSH_PRESETS) assertBrush(brushPreset(id));
    expect(new Set(BRUSH_PRESETS.map(({ id }) => id)).size).toBe(BRUSH_PRESETS.length);
  });

  it('refuses settings out of range by name', () => {
    for (const bad of [{ sizePx: 0 }, { sizePx: NaN }, { flow: 2 }, { size: { pressure: -1, tilt: 0 } }]) {
      expect(() => assertBrush({ ...plain, ...bad })).toThrowError(AppError);
    }
  });
});
