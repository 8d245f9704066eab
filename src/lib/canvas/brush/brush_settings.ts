/** What a brush is: numbers only, so that it can be stored, sent to a worker and replayed. */
import { AppError } from '../../base/errors';
import type { SmoothingSettings } from './smoothing';

/** How strongly one property follows the pen; 0 = not at all, 1 = from nothing to full. */
export interface Dynamic {
  readonly pressure: number;
  /** Laying the pen down: size grows by this ratio, opacity and flow fall by it. */
  readonly tilt: number;
}

export interface BrushSettings {
  /** Diameter in document pixels at full pressure, 0.5..2000. */
  readonly sizePx: number;
  /** Cap of one stroke, 0..1: however often the stroke crosses itself, it covers no more. */
  readonly opacity: number;
  /** Share of the way to the cap that one dab covers, 0..1. */
  readonly flow: number;
  /** Share of the radius that is fully covered, 0..1; the rest falls off smoothly. */
  readonly hardness: number;
  /** Distance of dabs as a share of the current diameter, 0.01..2. */
  readonly spacing: number;
  /** False: dabs of one stroke never add up, as with a marker. */
  readonly buildUp: boolean;
  /** Exponent of the pressure curve; above 1 asks for a firmer hand. */
  readonly pressureGamma: number;
  readonly size: Dynamic;
  readonly opacityDynamic: Dynamic;
  readonly flowDynamic: Dynamic;
  readonly smoothing: SmoothingSettings;
}

/** Closed ranges of the numeric settings; the interface builds its sliders from them. */
export const BRUSH_RANGES = {
  sizePx: { min: 0.5, max: 2000 },
  opacity: { min: 0, max: 1 },
  flow: { min: 0.001, max: 1 },
  hardness: { min: 0, max: 1 },
  spacing: { min: 0.01, max: 2 },
  pressureGamma: { min: 0.1, max: 10 },
} as const;

/** @throws AppError `canvas/invalid` naming the setting that is out of range */
export function assertBrush(brush: BrushSettings): void {
  for (const [name, { min, max }] of Object.entries(BRUSH_RANGES)) {
    assertWithin(name, brush[name as keyof typeof BRUSH_RANGES], min, max);
  }
  for (const name of ['size', 'opacityDynamic', 'flowDynamic'] as const) {
    assertWithin(`${name}.pressure`, brush[name].pressure, 0, 1);
    assertWithin(`${name}.tilt`, brush[name].tilt, 0, name === 'size' ? 8 : 1);
  }
}

function assertWithin(name: string, value: number, min: number, max: number): void {
  if (typeof value === 'number' && value >= min && value <= max) return;
  throw new AppError('canvas/invalid', `brush: ${name} must be a number in ${min}..${max}, got ${value}; correct it.`, {
    details: { name, value, min, max },
  });
}
