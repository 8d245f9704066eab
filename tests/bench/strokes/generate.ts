/**
 * Makes the traces of this folder: `npx tsx tests/bench/strokes/generate.ts`. No recording of a person; formulas with the
 * habits of a 240 Hz pen. With f = i / (n − 1), all in document pixels of a 1024 × 1024 picture:
 *   position  a Lissajous-like curve per trace (below), plus tremor 0.3·(sin(2.1·i), cos(1.7·i)) px
 *   time      4.1667 ms a sample, rounded to 0.1 ms as browsers do
 *   pressure  sin(π·f)^0.4 · (0.75 + 0.25·sin(9·f)), rounded to 1/1024 (10-bit pens)
 *   tilt      35 + 10·sin(3·f), −20 + 8·cos(2·f) degrees, rounded to whole degrees
 */
import { writeFileSync } from 'node:fs';
import { writeReplay, type ReplayStroke } from '../../../src/lib/canvas/replay/stroke_replay';

type Curve = (f: number) => readonly [x: number, y: number];

function trace(tool: string, samples: number, curve: Curve, startMs = 0): ReplayStroke {
  return {
    tool,
    samples: Array.from({ length: samples }, (_, i) => {
      const f = i / (samples - 1);
      const [x, y] = curve(f);
      return {
        t: startMs + Math.round((i * 1000 * 10) / 240) / 10,
        x: x + 0.3 * Math.sin(2.1 * i),
        y: y + 0.3 * Math.cos(1.7 * i),
        pressure: Math.round(Math.sin(Math.PI * f) ** 0.4 * (0.75 + 0.25 * Math.sin(9 * f)) * 1024) / 1024,
        tiltX: Math.round(35 + 10 * Math.sin(3 * f)),
        tiltY: Math.round(-20 + 8 * Math.cos(2 * f)),
      };
    }),
  };
}

/** Slow contour: 3 s around the picture, about 700 px/s. */
const contour = trace('brush', 720, (f) => [
  512 + 380 * Math.cos(2 * Math.PI * f) + 40 * Math.cos(14 * Math.PI * f),
  512 + 380 * Math.sin(2 * Math.PI * f),
]);
/** Fast shading: zigzag across the width, about 4000 px/s. */
const hatching = trace('brush', 480, (f) => [512 + 400 * Math.cos(6 * Math.PI * f), 120 + 780 * f]);
/** Handwriting-like small loops. */
const loops = trace('brush', 600, (f) => [
  100 + 800 * f + 30 * Math.sin(60 * Math.PI * f),
  512 + 40 * Math.cos(60 * Math.PI * f),
]);
/** Ten short flicks and an eraser pass over them. */
const flicks = [
  ...Array.from({ length: 10 }, (_, k) =>
    trace('brush', 24, (f) => [100 + 80 * k + 60 * f, 300 + 400 * f * f], k * 250),
  ),
  trace('eraser', 200, (f) => [80 + 850 * f, 500 + 20 * Math.sin(8 * f)], 2600),
];

for (const [name, strokes] of Object.entries({ contour: [contour], hatching: [hatching], loops: [loops], flicks })) {
  const path = new URL(`./${name}.json`, import.meta.url);
  writeFileSync(path, `${writeReplay({ name, width: 1024, height: 1024, strokes })}\n`);
}
