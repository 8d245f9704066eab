import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/lib/base/errors';
import { CanvasEngine } from '../../../../src/lib/canvas/canvas_engine';
import { createDocument } from '../../../../src/lib/canvas/document/document';
import { readReplay, writeReplay } from '../../../../src/lib/canvas/replay/stroke_replay';
import type { ToolId } from '../../../../src/lib/canvas/tools/registry';
import { sameBytes } from '../same_bytes';

const folder = new URL('../../../bench/strokes/', import.meta.url);
const traces = readdirSync(folder).filter((name) => name.endsWith('.json'));

function paint(text: string, samplesPerEvent: number): Uint8ClampedArray {
  const replay = readReplay(text);
  const engine = new CanvasEngine(createDocument({ id: 'd', width: replay.width, height: replay.height }));
  for (const { tool, samples } of replay.strokes) {
    engine.beginStroke(samples[0]!, tool as ToolId);
    for (let i = 1; i < samples.length; i += samplesPerEvent) {
      engine.extendStroke(
        samples.slice(i, i + samplesPerEvent),
        samples.slice(i + samplesPerEvent, i + samplesPerEvent + 2),
      );
    }
    engine.endStroke();
  }
  return engine.exportFlat().data;
}

describe('stroke replay', () => {
  it('finds the traces', () => expect(traces.length).toBeGreaterThan(2));

  for (const name of traces) {
    it(`${name} paints the same bytes however its samples arrive`, () => {
      const text = readFileSync(new URL(name, folder), 'utf8');
      const once = paint(text, 4);
      expect(once.some((value) => value !== 0)).toBe(true);
      expect(sameBytes(once, paint(text, 11))).toBe(true);
      expect(writeReplay(readReplay(text))).toBe(text.trim());
    });
  }

  it('refuses what is no replay by code', () => {
    const good = { format: 1, name: 'n', width: 1, height: 1, strokes: [] };
    const stroke = { tool: 'brush', columns: ['t', 'x', 'y'], samples: [[0, 1, 2]] };
    expect(readReplay(JSON.stringify({ ...good, strokes: [stroke] })).strokes[0]!.samples[0]).toEqual({
      t: 0,
      x: 1,
      y: 2,
      pressure: 1,
      tiltX: 0,
      tiltY: 0,
    });
    for (const bad of [
      '{',
      'null',
      '[]',
      JSON.stringify({ ...good, format: 2 }),
      JSON.stringify({ ...good, strokes: 3 }),
      JSON.stringify({ ...good, strokes: [null] }),
      JSON.stringify({ ...good, strokes: [{ ...stroke, samples: [[0, 'a', 2]] }] }),
      JSON.stringify({ ...good, strokes: [{ ...stroke, columns: ['t'] }] }),
    ]) {
      expect(() => readReplay(bad)).toThrowError(AppError);
    }
  });
});
