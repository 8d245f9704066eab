/** Rotary tables over several position axes, as constants of a graph. Source: black-forest-labs/flux, `math.py` `rope`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';

/** Position of one token on every axis. */
export type Position = readonly number[];

export interface RopeTables {
  readonly cos: Value;
  readonly sin: Value;
}

/**
 * cos and sin [1, T, Σ axes / 2]; angle of pair k of an axis of width d: position · theta^(-2k/d).
 * Computed in f64, so that large positions keep their digits.
 */
export function ropeTables(
  g: GraphBuilder,
  positions: readonly Position[],
  { axes, theta }: { axes: readonly number[]; theta: number },
): RopeTables {
  const half = axes.reduce((sum, d) => sum + d / 2, 0);
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  let at = 0;
  for (const position of positions) {
    for (const [axis, d] of axes.entries()) {
      for (let k = 0; k < d / 2; k += 1) {
        const angle = (position[axis] ?? 0) * theta ** ((-2 * k) / d);
        cos[at] = Math.cos(angle);
        sin[at] = Math.sin(angle);
        at += 1;
      }
    }
  }
  const shape = [1, positions.length, half];
  return { cos: g.constant(cos, shape), sin: g.constant(sin, shape) };
}

/** Positions of a picture's tokens in reading order. */
export function gridPositions(
  height: number,
  width: number,
  at: (row: number, column: number) => Position,
): Position[] {
  return Array.from({ length: height * width }, (_, i) => at(Math.floor(i / width), i % width));
}
