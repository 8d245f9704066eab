import { describe, expect, it } from 'vitest';
import type { Rect } from '../../../src/lib/canvas/geometry/rect';
import { regionOfChange } from '../../../src/lib/canvas/live_region';
import { draftStepCount, liveEvaluations } from '../../../src/lib/canvas/live_scheduler';

const about = {
  document: { width: 1024, height: 1024 },
  picture: { width: 512, height: 512 },
  minSidePx: 128,
  stepPx: 8,
  averageMs: 2000,
};
const box = (x: number, y: number, width: number, height: number): Rect => ({ x, y, width, height });

describe('the region of a change', () => {
  it('holds the change with room around it, in whole steps, inside the picture', () => {
    for (const change of [box(0, 0, 40, 40), box(500, 500, 90, 30), box(1000, 10, 24, 300), box(980, 980, 44, 44)]) {
      const region = regionOfChange(change, about);
      expect(region).toBeDefined();
      if (!region) continue;
      const { x, y, width, height } = region.box;
      expect([width % 8, height % 8, Number.isInteger(x), Number.isInteger(y)]).toEqual([0, 0, true, true]);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + width).toBeLessThanOrEqual(512);
      expect(y + height).toBeLessThanOrEqual(512);
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(128);
      const { part } = region;
      expect(part.x).toBeLessThanOrEqual(change.x / 2);
      expect(part.y).toBeLessThanOrEqual(change.y / 2);
      expect(part.x + part.width).toBeGreaterThanOrEqual((change.x + change.width) / 2);
      expect(part.y + part.height).toBeGreaterThanOrEqual((change.y + change.height) / 2);
      // More is drawn than is put in, except at the picture's own edges.
      expect(x === 0 || x < part.x).toBe(true);
      expect(y === 0 || y < part.y).toBe(true);
      expect(x + width === 512 || x + width > part.x + part.width).toBe(true);
      expect(y + height === 512 || y + height > part.y + part.height).toBe(true);
      expect(region.featherPx).toBeGreaterThan(0);
    }
  });

  it('is the whole picture where a part would save too little', () => {
    expect(regionOfChange(box(100, 100, 700, 700), about), 'most of it changed').toBeUndefined();
    expect(regionOfChange(box(0, 0, 40, 40), { ...about, averageMs: 100 }), 'a fast device').toBeUndefined();
    expect(regionOfChange(box(0, 0, 40, 40), { ...about, minSidePx: 512 }), 'the model needs it all').toBeUndefined();
    expect(regionOfChange(box(0, 0, 0, 0), about), 'nothing changed').toBeUndefined();
  });
});

describe('steps of a draft', () => {
  it('are as many as fit a second and a half on this device, within limits', () => {
    const runs = (stepMs: number | undefined, strength = 0.7, full = 20) =>
      liveEvaluations(strength, draftStepCount(stepMs, strength, full));
    expect(runs(undefined), 'nothing measured yet').toBe(4);
    expect(runs(300)).toBe(5);
    expect(runs(5000), 'a slow device still shows more than noise').toBe(2);
    expect(runs(5), 'a fast one leaves something to refine').toBe(8);
    for (const stepMs of [20, 200, 500, 2000]) {
      for (const strength of [0.05, 0.3, 0.7, 1]) {
        const steps = draftStepCount(stepMs, strength, 20);
        expect(steps).toBeGreaterThanOrEqual(1);
        expect(steps).toBeLessThanOrEqual(20);
      }
    }
    expect(draftStepCount(10, 0.7, 3), 'never more than the refined picture').toBe(3);
  });
});
