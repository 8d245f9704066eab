/** One reading of a pen, in document pixels. */
export interface StrokeSample {
  /** Milliseconds, any origin, not decreasing within a stroke. */
  readonly t: number;
  readonly x: number;
  readonly y: number;
  /** 0..1; devices without pressure give 1. */
  readonly pressure: number;
  /** Degrees from upright, -90..90, as in PointerEvent. */
  readonly tiltX: number;
  readonly tiltY: number;
}

export function isUsableSample(sample: StrokeSample): boolean {
  return Number.isFinite(sample.t + sample.x + sample.y + sample.pressure + sample.tiltX + sample.tiltY);
}

export function mixSamples(a: StrokeSample, b: StrokeSample, f: number): StrokeSample {
  return {
    t: a.t + (b.t - a.t) * f,
    x: a.x + (b.x - a.x) * f,
    y: a.y + (b.y - a.y) * f,
    pressure: a.pressure + (b.pressure - a.pressure) * f,
    tiltX: a.tiltX + (b.tiltX - a.tiltX) * f,
    tiltY: a.tiltY + (b.tiltY - a.tiltY) * f,
  };
}

const DEGREES = Math.PI / 180;

/**
 * How far the pen lies down: 0 upright, 1 at 60° from upright and beyond (few pens report more).
 * tan²(tilt) = tan²(tiltX) + tan²(tiltY), from the Pointer Events definition of the two planes.
 */
export function tiltFraction(tiltX: number, tiltY: number): number {
  if (tiltX === 0 && tiltY === 0) return 0;
  const tx = Math.tan(Math.min(89, Math.abs(tiltX)) * DEGREES);
  const ty = Math.tan(Math.min(89, Math.abs(tiltY)) * DEGREES);
  return Math.min(1, Math.atan(Math.hypot(tx, ty)) / (60 * DEGREES));
}
