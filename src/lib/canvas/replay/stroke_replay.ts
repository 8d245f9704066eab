/**
 * Recorded strokes as JSON, for tests, benchmarks and bug reports: the numbers a pen gave, nothing of the page.
 * {"format":1,"name":…,"width":…,"height":…,"strokes":[{"tool":"brush","columns":["t","x","y","p","tiltX","tiltY"],
 * "samples":[[…],…]}]}: document pixels, milliseconds from the start of the recording, pressure 0..1, degrees.
 */
import { AppError } from '../../base/errors';
import { isUsableSample, type StrokeSample } from '../brush/sample';

const REPLAY_FORMAT = 1;
const REPLAY_COLUMNS = ['t', 'x', 'y', 'p', 'tiltX', 'tiltY'] as const;
const MAX_SAMPLES = 1_000_000;

export interface ReplayStroke {
  readonly tool: string;
  readonly samples: readonly StrokeSample[];
}

export interface StrokeReplay {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly strokes: readonly ReplayStroke[];
}

/** JSON text, rounded to 1/1000 (far below what a pen resolves). */
export function writeReplay(replay: StrokeReplay): string {
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return JSON.stringify({
    format: REPLAY_FORMAT,
    name: replay.name,
    width: replay.width,
    height: replay.height,
    strokes: replay.strokes.map(({ tool, samples }) => ({
      tool,
      columns: REPLAY_COLUMNS,
      samples: samples.map((s) => [s.t, s.x, s.y, s.pressure, s.tiltX, s.tiltY].map(round)),
    })),
  });
}

/** @throws AppError `canvas/corrupt-record` when the text is no replay */
export function readReplay(text: string): StrokeReplay {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw refuse('JSON', cause);
  }
  const root = record(parsed, 'an object');
  if (root['format'] !== REPLAY_FORMAT) throw refuse(`format ${REPLAY_FORMAT}`);
  const { name, width, height, strokes } = root;
  if (typeof name !== 'string' || typeof width !== 'number' || typeof height !== 'number') {
    throw refuse('name, width and height');
  }
  if (!Array.isArray(strokes)) throw refuse('a list of strokes');
  let total = 0;
  return {
    name,
    width,
    height,
    strokes: strokes.map((given: unknown) => {
      const stroke = record(given, 'strokes that are objects');
      const { tool, samples, columns } = stroke;
      if (typeof tool !== 'string' || !Array.isArray(samples) || !Array.isArray(columns)) {
        throw refuse('tool, columns and samples in each stroke');
      }
      total += samples.length;
      if (total > MAX_SAMPLES) throw refuse(`at most ${MAX_SAMPLES} samples`);
      const at = REPLAY_COLUMNS.map((column) => columns.indexOf(column));
      return { tool, samples: samples.map((row: unknown) => readSample(row, at)) };
    }),
  };
}

function readSample(row: unknown, at: readonly number[]): StrokeSample {
  if (!Array.isArray(row)) throw refuse('samples that are lists of numbers');
  const pick = (column: number, missing: number): number => {
    const index = at[column] ?? -1;
    const value: unknown = index < 0 ? missing : row[index];
    if (typeof value !== 'number') throw refuse('samples that are lists of numbers');
    return value;
  };
  const sample: StrokeSample = {
    t: pick(0, 0),
    x: pick(1, NaN),
    y: pick(2, NaN),
    pressure: pick(3, 1),
    tiltX: pick(4, 0),
    tiltY: pick(5, 0),
  };
  if (!isUsableSample(sample)) throw refuse('finite t, x and y in every sample');
  return sample;
}

function record(value: unknown, rule: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(rule);
  return value as Record<string, unknown>;
}

function refuse(rule: string, cause?: unknown): AppError {
  return new AppError('canvas/corrupt-record', `stroke replay: must have ${rule}; record it again.`, { cause });
}
