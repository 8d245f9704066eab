import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/lib/base/errors';
import {
  applyAffine,
  chain,
  invertAffine,
  scaleRotateAbout,
  transformBounds,
} from '../../../../src/lib/canvas/geometry/affine';
import {
  boundsOf,
  containsPoint,
  EMPTY_RECT,
  expandRect,
  intersectRect,
  isEmptyRect,
  rectFromCorners,
  roundOutRect,
  unionRect,
} from '../../../../src/lib/canvas/geometry/rect';
import {
  DEFAULT_VIEWPORT,
  documentToScreen,
  fitView,
  limitView,
  mirrorAt,
  panBy,
  pinchView,
  rotateAt,
  screenToDocument,
  visibleDocumentRect,
  zoomAt,
  ZOOM_MAX,
  ZOOM_MIN,
  type Viewport,
} from '../../../../src/lib/canvas/geometry/viewport';

const coordinate = fc.double({ min: -2000, max: 2000, noNaN: true });
const point = fc.record({ x: coordinate, y: coordinate });
const viewport: fc.Arbitrary<Viewport> = fc.record({
  panX: coordinate,
  panY: coordinate,
  zoom: fc.double({ min: 0.1, max: 10, noNaN: true }),
  rotationRad: fc.double({ min: -3, max: 3, noNaN: true }),
  mirrored: fc.boolean(),
});

function near(a: { x: number; y: number }, b: { x: number; y: number }, tolerance = 1e-6): void {
  expect(Math.abs(a.x - b.x)).toBeLessThan(tolerance);
  expect(Math.abs(a.y - b.y)).toBeLessThan(tolerance);
}

describe('rect', () => {
  it('unites, intersects, grows and rounds out', () => {
    const a = { x: 0, y: 0, width: 10, height: 10 };
    const b = { x: 5, y: -5, width: 10, height: 10 };
    expect(unionRect(a, b)).toEqual({ x: 0, y: -5, width: 15, height: 15 });
    expect(unionRect(EMPTY_RECT, b)).toEqual(b);
    expect(intersectRect(a, b)).toEqual({ x: 5, y: 0, width: 5, height: 5 });
    expect(isEmptyRect(intersectRect(a, { x: 10, y: 0, width: 1, height: 1 }))).toBe(true);
    expect(expandRect(a, 2)).toEqual({ x: -2, y: -2, width: 14, height: 14 });
    expect(isEmptyRect(expandRect(a, -5))).toBe(true);
    expect(roundOutRect({ x: 0.5, y: -0.5, width: 1, height: 1 })).toEqual({ x: 0, y: -1, width: 2, height: 2 });
    expect(rectFromCorners({ x: 3, y: 1 }, { x: 1, y: 4 })).toEqual({ x: 1, y: 1, width: 2, height: 3 });
    expect(
      boundsOf([
        { x: 1, y: 2 },
        { x: -1, y: 5 },
      ]),
    ).toEqual({ x: -1, y: 2, width: 2, height: 3 });
    expect(containsPoint(a, { x: 10, y: 0 })).toBe(false);
    expect(containsPoint(a, { x: 9.9, y: 0 })).toBe(true);
  });
});

describe('affine', () => {
  it('inverts and chains', () => {
    const m = chain(scaleRotateAbout({ x: 3, y: 4 }, { scaleX: 2, scaleY: 0.5, radians: 1 }), {
      a: 1,
      b: 0,
      c: 0,
      d: 1,
      e: 7,
      f: -2,
    });
    near(applyAffine(m, { x: 3, y: 4 }), { x: 10, y: 2 });
    near(applyAffine(chain(m, invertAffine(m)), { x: 12, y: -9 }), { x: 12, y: -9 });
    expect(transformBounds({ a: 2, b: 0, c: 0, d: 3, e: 1, f: 1 }, { x: 0, y: 0, width: 2, height: 2 })).toEqual({
      x: 1,
      y: 1,
      width: 4,
      height: 6,
    });
  });

  it('refuses a flat map by code', () => {
    expect(() => invertAffine({ a: 1, b: 1, c: 1, d: 1, e: 0, f: 0 })).toThrowError(AppError);
    expect(() => invertAffine({ a: NaN, b: 0, c: 0, d: 1, e: 0, f: 0 })).toThrowError(AppError);
  });
});

describe('viewport', () => {
  it('maps screen and document back and forth', () => {
    fc.assert(
      fc.property(viewport, point, (view, p) => {
        near(screenToDocument(view, documentToScreen(view, p)), p);
      }),
    );
  });

  it('keeps the document point under the fingers when zooming, turning, mirroring', () => {
    fc.assert(
      fc.property(viewport, point, (view, at) => {
        const anchor = screenToDocument(view, at);
        near(documentToScreen(zoomAt(view, at, 1.7), anchor), at, 1e-5);
        near(documentToScreen(rotateAt(view, at, 0.4), anchor), at, 1e-5);
        near(documentToScreen(mirrorAt(view, at), anchor), at, 1e-5);
        const to = { x: at.x + 30, y: at.y - 10 };
        near(documentToScreen(pinchView(view, { from: at, to, scale: 0.8, rotateRad: -0.3 }), anchor), to, 1e-5);
      }),
    );
  });

  it('limits the zoom and wraps the angle', () => {
    expect(zoomAt(DEFAULT_VIEWPORT, { x: 0, y: 0 }, 1e9).zoom).toBe(ZOOM_MAX);
    expect(zoomAt(DEFAULT_VIEWPORT, { x: 0, y: 0 }, 1e-9).zoom).toBe(ZOOM_MIN);
    expect(Math.abs(rotateAt(DEFAULT_VIEWPORT, { x: 0, y: 0 }, 7).rotationRad)).toBeLessThanOrEqual(Math.PI);
  });

  it('fits the document with a margin and centres it', () => {
    const view = fitView({ width: 200, height: 100 }, { width: 1000, height: 900 }, 50);
    expect(view.zoom).toBeCloseTo(4.5);
    near(documentToScreen(view, { x: 100, y: 50 }), { x: 500, y: 450 });
  });

  it('never loses the document off screen', () => {
    const document = { width: 200, height: 100 };
    const screen = { width: 500, height: 400 };
    fc.assert(
      fc.property(viewport, (view) => {
        const limited = limitView(view, document, screen);
        expect(isEmptyRect(visibleDocumentRect(limited, document, screen)) && view.rotationRad === 0).toBe(false);
      }),
    );
    const lost = limitView(panBy(DEFAULT_VIEWPORT, 5000, -5000), document, screen);
    expect(lost.panX).toBe(500 - 48);
    expect(lost.panY).toBe(48 - 100);
    expect(limitView(DEFAULT_VIEWPORT, document, screen)).toBe(DEFAULT_VIEWPORT);
  });
});
