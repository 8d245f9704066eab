/**
 * Work per pen event of the canvas engine: `npx tsx tests/bench/canvas_strokes.ts [--json FILE]`. Replays
 * tests/bench/strokes on a 1024 × 1024 document with a 40 px brush: four samples an event (240 Hz pen, 60 Hz screen), two predicted
 * points, and composites every damaged box, as a frame would. Processor time, no rendering.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { BRUSH_PRESETS, brushPreset } from '../../src/lib/canvas/brush/presets';
import { CanvasEngine, type EngineUpdate } from '../../src/lib/canvas/canvas_engine';
import { createDocument } from '../../src/lib/canvas/document/document';
import { createLayerProps } from '../../src/lib/canvas/document/layer';
import { readReplay, type StrokeReplay } from '../../src/lib/canvas/replay/stroke_replay';

const SAMPLES_PER_EVENT = 4;
const ROUNDS = 3;
const FOLDER = new URL('./strokes/', import.meta.url);

function newEngine(
  size: { width: number; height: number },
  preset: (typeof BRUSH_PRESETS)[number]['id'],
): CanvasEngine {
  const layers = [
    createLayerProps('a', 'paint', ''),
    createLayerProps('b', 'paint', ''),
    { ...createLayerProps('c', 'sketch', ''), blendMode: 'multiply' as const },
    createLayerProps('m', 'mask', ''),
  ];
  const engine = new CanvasEngine(createDocument({ id: 'bench', ...size, layers, background: [255, 255, 255] }));
  for (const id of ['a', 'b', 'c', 'm']) engine.fillLayer(id, [200, 180, 160]);
  engine.configure({ activeLayerId: 'b', brush: { ...brushPreset(preset), sizePx: 40 } });
  return engine;
}

function replay(engine: CanvasEngine, trace: StrokeReplay, eventMs: number[], endMs: number[]): void {
  const timed = (into: number[], act: () => EngineUpdate): void => {
    // Processor time of this process: wall time on a busy machine measures the neighbours.
    const start = process.cpuUsage();
    for (const box of act().damage) engine.composite(box);
    const { user, system } = process.cpuUsage(start);
    into.push((user + system) / 1000);
  };
  for (const { tool, samples } of trace.strokes) {
    const [first] = samples;
    if (!first) continue;
    timed(eventMs, () => engine.beginStroke(first, tool as 'brush'));
    for (let i = 1; i < samples.length; i += SAMPLES_PER_EVENT) {
      const chunk = samples.slice(i, i + SAMPLES_PER_EVENT);
      const predicted = samples.slice(i + SAMPLES_PER_EVENT, i + SAMPLES_PER_EVENT + 2);
      timed(eventMs, () => engine.extendStroke(chunk, predicted));
    }
    timed(endMs, () => engine.endStroke());
  }
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;

function row(name: string, values: number[], dropped: number) {
  const sorted = values.slice(dropped).sort((a, b) => a - b);
  const pick = (q: number): number => Math.round(quantile(sorted, q) * 1000) / 1000;
  return { name, unit: 'ms', n: sorted.length, p50: pick(0.5), p95: pick(0.95), p99: pick(0.99), max: pick(1) };
}

const rows = [];
for (const { id } of BRUSH_PRESETS) {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.json'))) {
    const trace = readReplay(readFileSync(new URL(file, FOLDER), 'utf8'));
    const eventMs: number[] = [];
    const endMs: number[] = [];
    let warmUp = 0;
    for (let round = 0; round <= ROUNDS; round++) {
      replay(newEngine(trace, id), trace, eventMs, endMs);
      if (round === 0) warmUp = eventMs.length;
    }
    rows.push(row(`${id} ${trace.name} event of ${SAMPLES_PER_EVENT} samples`, eventMs, warmUp));
    rows.push(row(`${id} ${trace.name} stroke end`, endMs, 0));
  }
}
console.table(rows);
const json = process.argv.indexOf('--json');
const target = process.argv[json + 1];
if (json > 0 && target) {
  const device = { platform: process.platform, arch: process.arch, node: process.version };
  writeFileSync(
    target,
    `${JSON.stringify({ bench: 'canvas', date: new Date().toISOString(), device, rows }, null, 2)}\n`,
  );
}
