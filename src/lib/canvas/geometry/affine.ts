/** 2-D affine maps in the order of `DOMMatrix`: x' = a·x + c·y + e, y' = b·x + d·y + f. */
import { AppError } from '../../base/errors';
import { boundsOf, type Point, type Rect } from './rect';

export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

export const IDENTITY: Affine = { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };

export function translation(dx: number, dy: number): Affine {
  return { ...IDENTITY, e: dx, f: dy };
}

/** Scales, then rotates (radians, clockwise on a y-down screen), both about `centre`. */
export function scaleRotateAbout(centre: Point, options: { scaleX: number; scaleY: number; radians: number }): Affine {
  const cos = Math.cos(options.radians);
  const sin = Math.sin(options.radians);
  const a = cos * options.scaleX;
  const b = sin * options.scaleX;
  const c = -sin * options.scaleY;
  const d = cos * options.scaleY;
  return { a, b, c, d, e: centre.x - a * centre.x - c * centre.y, f: centre.y - b * centre.x - d * centre.y };
}

/** The map that applies `first`, then `second`. */
export function chain(first: Affine, second: Affine): Affine {
  return {
    a: second.a * first.a + second.c * first.b,
    b: second.b * first.a + second.d * first.b,
    c: second.a * first.c + second.c * first.d,
    d: second.b * first.c + second.d * first.d,
    e: second.a * first.e + second.c * first.f + second.e,
    f: second.b * first.e + second.d * first.f + second.f,
  };
}

export function applyAffine(m: Affine, p: Point): Point {
  return { x: m.a * p.x + m.c * p.y + m.e, y: m.b * p.x + m.d * p.y + m.f };
}

/** @throws AppError `canvas/invalid` when the map flattens the plane or holds a non-finite number */
export function invertAffine(m: Affine): Affine {
  const det = m.a * m.d - m.b * m.c;
  if (!Number.isFinite(det + m.e + m.f) || Math.abs(det) < 1e-12) {
    throw new AppError('canvas/invalid', `affine: a transform must be invertible, got determinant ${det}; reset it.`, {
      details: { ...m },
    });
  }
  const a = m.d / det;
  const b = -m.b / det;
  const c = -m.c / det;
  const d = m.a / det;
  return { a, b, c, d, e: -(a * m.e + c * m.f), f: -(b * m.e + d * m.f) };
}

/** Box around the image of a rect. */
export function transformBounds(m: Affine, rect: Rect): Rect {
  const right = rect.x + rect.width;
  const bottom = rect.y + rect.height;
  return boundsOf([
    applyAffine(m, { x: rect.x, y: rect.y }),
    applyAffine(m, { x: right, y: rect.y }),
    applyAffine(m, { x: right, y: bottom }),
    applyAffine(m, { x: rect.x, y: bottom }),
  ]);
}
