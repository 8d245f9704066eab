/**
 * From pen readings to evenly spaced dabs. The curve through readings p0, p1, … is the chain of quadratic Béziers
 * between successive midpoints with the readings as control points (the usual midpoint smoothing of ink), so a reading
 * shapes the line as soon as the next arrives; the piece from the last midpoint to the pen is the provisional tail.
 * Dabs sit at equal arc lengths of the whole stroke, never at events: the same curve gives the same dabs at any rate.
 */
import type { BrushSettings } from './brush_settings';
import { dabAt, dabStepPx, type Dab } from './dab';
import { mixSamples, type StrokeSample } from './sample';
import { beginSmoothing, finishesLine, smooth, type SmoothingState } from './smoothing';

export interface StrokePath {
  readonly smoothing: SmoothingState;
  /** Where the committed curve ends. */
  readonly from: StrokeSample;
  /** Last smoothed reading, the control point of the next piece. */
  readonly control: StrokeSample;
  readonly lastRaw: StrokeSample;
  /** Arc length from `from` to the next dab. */
  readonly untilNextPx: number;
  readonly dabCount: number;
  /** The reading with the highest pressure so far: what a tap in place should look like. */
  readonly firmest: StrokeSample;
}

export interface PathStep {
  readonly path: StrokePath;
  readonly dabs: readonly Dab[];
}

/** Pieces per curve are bounded, so no input can stall the pen. */
const MAX_PIECES = 4096;

export function beginPath(brush: BrushSettings, sample: StrokeSample): PathStep {
  const dab = dabAt(brush, sample);
  return {
    path: {
      smoothing: beginSmoothing(sample),
      from: sample,
      control: sample,
      lastRaw: sample,
      untilNextPx: dabStepPx(brush, dab),
      dabCount: 1,
      firmest: sample,
    },
    dabs: [dab],
  };
}

export function extendPath(brush: BrushSettings, path: StrokePath, samples: readonly StrokeSample[]): PathStep {
  const dabs: Dab[] = [];
  let next = path;
  for (const raw of samples) {
    const smoothing = smooth(brush.smoothing, next.smoothing, raw);
    const to = mixSamples(next.control, smoothing.sample, 0.5);
    const untilNextPx = walkCurve(brush, [next.from, next.control, to], next.untilNextPx, dabs);
    next = {
      smoothing,
      from: to,
      control: smoothing.sample,
      lastRaw: raw,
      untilNextPx,
      dabCount: path.dabCount + dabs.length,
      firmest: raw.pressure > next.firmest.pressure ? raw : next.firmest,
    };
  }
  return { path: next, dabs };
}

/** Draws the rest of the line when the pen lifts. A stroke that never moved becomes one dab of its firmest reading. */
export function endPath(brush: BrushSettings, path: StrokePath): readonly Dab[] {
  const dabs: Dab[] = [];
  const left = walkCurve(brush, straight(path.from, path.control), path.untilNextPx, dabs);
  if (finishesLine(brush.smoothing)) walkCurve(brush, straight(path.control, path.lastRaw), left, dabs);
  if (path.dabCount + dabs.length === 1 && path.firmest.pressure > path.from.pressure) {
    const spot = { ...path.firmest, x: path.from.x, y: path.from.y };
    dabs.push(dabAt(brush, spot));
  }
  return dabs;
}

/** The provisional rest of the line up to the pen and along predicted readings. Changes nothing. */
export function provisionalDabs(
  brush: BrushSettings,
  path: StrokePath,
  predicted: readonly StrokeSample[],
): readonly Dab[] {
  const dabs: Dab[] = [];
  let untilNextPx = walkCurve(brush, straight(path.from, path.control), path.untilNextPx, dabs);
  let { smoothing } = path;
  for (const raw of predicted) {
    const next = smooth(brush.smoothing, smoothing, raw);
    untilNextPx = walkCurve(brush, straight(smoothing.sample, next.sample), untilNextPx, dabs);
    smoothing = next;
  }
  return dabs;
}

type Curve = readonly [from: StrokeSample, control: StrokeSample, to: StrokeSample];

function straight(from: StrokeSample, to: StrokeSample): Curve {
  return [from, mixSamples(from, to, 0.5), to];
}

/** Places dabs along one Bézier; returns the length left until the next one. */
function walkCurve(brush: BrushSettings, [from, control, to]: Curve, untilNextPx: number, dabs: Dab[]): number {
  const legs = distance(from, control) + distance(control, to);
  if (legs === 0) return untilNextPx;
  const lengthPx = (legs + distance(from, to)) / 2;
  // Pieces short against the dab spacing keep the chord error invisible; a straight leg needs one.
  const bent = legs - distance(from, to) > 1e-9 * legs;
  const pieces = bent ? Math.min(MAX_PIECES, Math.max(4, Math.ceil(lengthPx / 2))) : 1;
  let last = from;
  for (let i = 1; i <= pieces; i++) {
    const f = i / pieces;
    const point = i === pieces ? to : mixSamples(mixSamples(from, control, f), mixSamples(control, to, f), f);
    const chord = distance(last, point);
    let at = untilNextPx;
    while (at <= chord) {
      const dab = dabAt(brush, mixSamples(last, point, at / chord));
      dabs.push(dab);
      at += dabStepPx(brush, dab);
    }
    untilNextPx = at - chord;
    last = point;
  }
  return untilNextPx;
}

function distance(a: StrokeSample, b: StrokeSample): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}
