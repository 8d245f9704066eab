/** Stroke stabilisers: pure steps from (state, raw sample) to a smoothed sample. */
import type { StrokeSample } from './sample';

export type SmoothingSettings =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'one-euro';
      /** Cut-off at rest; lower is steadier and slower. */
      readonly minCutoffHz: number;
      /** Hz of cut-off gained per document px/s of speed. */
      readonly beta: number;
    }
  | {
      readonly kind: 'pulled-string';
      /** The brush follows only when the pen is further away than this, in document pixels. */
      readonly lengthPx: number;
    };

export interface SmoothingState {
  readonly sample: StrokeSample;
  /** Low-passed speed in px/s (one-euro only). */
  readonly vx: number;
  readonly vy: number;
}

/** Cut-off of the speed's own filter, the paper's recommended constant. */
const SPEED_CUTOFF_HZ = 1;
/** Stands in for a zero or negative time step, which coarse clocks produce: 240 Hz. */
const SMALLEST_STEP_S = 1 / 240;

export function beginSmoothing(sample: StrokeSample): SmoothingState {
  return { sample, vx: 0, vy: 0 };
}

/**
 * One step.
 * Sources: one-euro: Casiez, Roussel, Vogel, "1€ Filter", CHI 2012, Algorithm 1 (position only; pressure and tilt pass).
 * Pulled string: the brush is towed by a string of fixed length, so wobble shorter than the string leaves no trace
 * (the idea of the "lazy" or "rope" stabilisers in painting programs).
 */
export function smooth(settings: SmoothingSettings, state: SmoothingState, raw: StrokeSample): SmoothingState {
  switch (settings.kind) {
    case 'none':
      return { sample: raw, vx: 0, vy: 0 };
    case 'one-euro':
      return oneEuro(settings, state, raw);
    case 'pulled-string':
      return pullString(settings, state, raw);
    default:
      return settings satisfies never;
  }
}

/** Whether the line should be drawn on to the last raw point when the pen lifts. A towed brush stops where it is. */
export function finishesLine(settings: SmoothingSettings): boolean {
  return settings.kind !== 'pulled-string';
}

function oneEuro(
  settings: { readonly minCutoffHz: number; readonly beta: number },
  state: SmoothingState,
  raw: StrokeSample,
): SmoothingState {
  const last = state.sample;
  const stepS = Math.max(SMALLEST_STEP_S, (raw.t - last.t) / 1000);
  const speedShare = smoothingFactor(stepS, SPEED_CUTOFF_HZ);
  const vx = state.vx + ((raw.x - last.x) / stepS - state.vx) * speedShare;
  const vy = state.vy + ((raw.y - last.y) / stepS - state.vy) * speedShare;
  const cutoffHz = settings.minCutoffHz + settings.beta * Math.hypot(vx, vy);
  const share = smoothingFactor(stepS, cutoffHz);
  return {
    sample: { ...raw, x: last.x + (raw.x - last.x) * share, y: last.y + (raw.y - last.y) * share },
    vx,
    vy,
  };
}

function smoothingFactor(stepS: number, cutoffHz: number): number {
  const r = 2 * Math.PI * cutoffHz * stepS;
  return r / (r + 1);
}

function pullString(settings: { readonly lengthPx: number }, state: SmoothingState, raw: StrokeSample): SmoothingState {
  const { x, y } = state.sample;
  const distance = Math.hypot(raw.x - x, raw.y - y);
  if (distance <= settings.lengthPx) return { ...state, sample: { ...raw, x, y } };
  const share = (distance - settings.lengthPx) / distance;
  return { ...state, sample: { ...raw, x: x + (raw.x - x) * share, y: y + (raw.y - y) * share } };
}
