/** The imprint of one round dab on 16-bit coverage. */
import type { Point, Rect } from '../geometry/rect';
import { TILE_SIZE } from '../tiles/tile';
import type { Dab } from './dab';

/**
 * Profile of a dab at distance d from its centre, 0..1: 1 up to hardness·radius, then 1 − smoothstep down to the
 * radius; where that slope is under a pixel wide, a one-pixel linear ramp (anti-aliasing) instead. Dabs thinner than a
 * pixel keep a pixel's width and fade by area.
 */
export function dabProfile(dab: Pick<Dab, 'radiusPx' | 'hardness'>, d: number): number {
  const { inner, outer, peak, sharp } = profileOf(dab);
  if (d >= outer) return 0;
  if (d <= inner) return peak;
  const f = (d - inner) / (outer - inner);
  return peak * (sharp ? 1 - f : 1 - f * f * (3 - 2 * f));
}

function profileOf(dab: Pick<Dab, 'radiusPx' | 'hardness'>): {
  inner: number;
  outer: number;
  peak: number;
  sharp: boolean;
} {
  const radius = Math.max(0.5, dab.radiusPx);
  const peak = dab.radiusPx < 0.5 ? (dab.radiusPx / 0.5) ** 2 : 1;
  const inner = radius * dab.hardness;
  const sharp = radius - inner < 1;
  return sharp ? { inner: radius - 0.5, outer: radius + 0.5, peak, sharp } : { inner, outer: radius, peak, sharp };
}

/**
 * Adds a dab to one coverage tile.
 * With build-up: c ← c + (cap − c)·flow·profile where c < cap; without: c ← max(c, cap·flow·profile).
 * @param origin document position of the tile's first pixel
 * @param part whole-pixel part of the tile to touch, in document pixels
 */
export function stampTile(coverage: Uint16Array, origin: Point, part: Rect, dab: Dab): void {
  const { inner, outer, peak, sharp } = profileOf(dab);
  const outerSq = outer * outer;
  const innerSq = inner * inner;
  const slope = 1 / (outer - inner);
  const cap = Math.round(dab.cap * 65535);
  const strength = peak * dab.flow;
  const { buildUp } = dab;
  for (let y = part.y; y < part.y + part.height; y++) {
    const dy = y + 0.5 - dab.y;
    const roomSq = outerSq - dy * dy;
    if (roomSq <= 0) continue;
    const half = Math.sqrt(roomSq);
    const first = Math.max(part.x, Math.floor(dab.x - half - 0.5));
    const last = Math.min(part.x + part.width - 1, Math.ceil(dab.x + half - 0.5));
    const base = (y - origin.y) * TILE_SIZE - origin.x;
    for (let x = first; x <= last; x++) {
      const dx = x + 0.5 - dab.x;
      const dSq = dx * dx + dy * dy;
      if (dSq >= outerSq) continue;
      let m = strength;
      if (dSq > innerSq) {
        const f = (Math.sqrt(dSq) - inner) * slope;
        m *= sharp ? 1 - f : 1 - f * f * (3 - 2 * f);
      }
      const c = coverage[base + x] as number;
      if (buildUp) {
        if (c < cap) coverage[base + x] = c + (cap - c) * m + 0.5;
      } else if (c < cap * m) {
        coverage[base + x] = cap * m + 0.5;
      }
    }
  }
}
