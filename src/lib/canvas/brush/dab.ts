/** A dab: one round imprint of the brush; and how a pen reading becomes one. */
import type { BrushSettings, Dynamic } from './brush_settings';
import { tiltFraction, type StrokeSample } from './sample';

export interface Dab {
  readonly x: number;
  readonly y: number;
  readonly radiusPx: number;
  readonly hardness: number;
  /** Coverage this dab can reach, 0..1. */
  readonly cap: number;
  readonly flow: number;
  readonly buildUp: boolean;
}

/** Dabs nearer than this add nothing that can be seen. */
const MIN_STEP_PX = 0.5;
const MIN_RADIUS_PX = 0.15;

export function dabAt(brush: BrushSettings, sample: StrokeSample): Dab {
  const pressure = Math.min(1, Math.max(0, sample.pressure)) ** brush.pressureGamma;
  const tilt = tiltFraction(sample.tiltX, sample.tiltY);
  const sizeFactor = follow(brush.size, pressure) * (1 + brush.size.tilt * tilt);
  return {
    x: sample.x,
    y: sample.y,
    radiusPx: Math.max(MIN_RADIUS_PX, (brush.sizePx / 2) * sizeFactor),
    hardness: brush.hardness,
    cap: brush.opacity * follow(brush.opacityDynamic, pressure) * (1 - brush.opacityDynamic.tilt * tilt),
    flow: brush.flow * follow(brush.flowDynamic, pressure) * (1 - brush.flowDynamic.tilt * tilt),
    buildUp: brush.buildUp,
  };
}

/** Distance to the next dab along the stroke. */
export function dabStepPx(brush: BrushSettings, dab: Dab): number {
  return Math.max(MIN_STEP_PX, brush.spacing * 2 * dab.radiusPx);
}

function follow(dynamic: Dynamic, pressure: number): number {
  return 1 - dynamic.pressure + dynamic.pressure * pressure;
}
