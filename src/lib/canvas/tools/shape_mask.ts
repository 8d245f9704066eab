/** Anti-aliased coverage of simple shapes and polygons, by signed distance or by sub-scanlines. */
import {
  boundsOf,
  expandRect,
  intersectRect,
  rectFromCorners,
  roundOutRect,
  type Point,
  type Rect,
} from '../geometry/rect';

export type ShapeKind = 'line' | 'rect' | 'ellipse';

export interface Shape {
  readonly kind: ShapeKind;
  readonly from: Point;
  readonly to: Point;
  readonly filled: boolean;
  /** Line width in document pixels; unused when filled. */
  readonly strokePx: number;
}

export interface CoverageMask {
  readonly rect: Rect;
  /** 0..255 */
  readonly mask: Uint8Array<ArrayBuffer>;
}

/** Coverage of a shape within `bounds`: one-pixel linear ramp across the edge. */
export function shapeMask(shape: Shape, bounds: Rect): CoverageMask {
  const reach = shape.filled && shape.kind !== 'line' ? 1 : shape.strokePx / 2 + 1;
  const rect = intersectRect(roundOutRect(expandRect(padded(shape), reach)), bounds);
  const mask = new Uint8Array(rect.width * rect.height);
  const coverageAt = coverageFunction(shape);
  let i = 0;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) mask[i++] = coverageAt(x + 0.5, y + 0.5) * 255 + 0.5;
  }
  return { rect, mask };
}

/** `expandRect` treats a box without area as empty; a line may be level. */
function padded({ from, to }: Shape): Rect {
  const box = rectFromCorners(from, to);
  return { ...box, width: Math.max(box.width, 1e-3), height: Math.max(box.height, 1e-3) };
}

const ramp = (distance: number): number => Math.min(1, Math.max(0, 0.5 - distance));

function coverageFunction(shape: Shape): (x: number, y: number) => number {
  const { kind, from, to, filled } = shape;
  const half = Math.max(0.5, shape.strokePx / 2);
  switch (kind) {
    case 'line': {
      const dx = to.x - from.x;
      const dy = to.y - from.y;
      const lengthSq = dx * dx + dy * dy;
      return (x, y) => {
        const along = lengthSq === 0 ? 0 : ((x - from.x) * dx + (y - from.y) * dy) / lengthSq;
        const f = Math.min(1, Math.max(0, along));
        return ramp(Math.hypot(x - from.x - f * dx, y - from.y - f * dy) - half);
      };
    }
    case 'rect': {
      const box = rectFromCorners(from, to);
      const distance = (x: number, y: number): number => {
        const qx = Math.abs(x - (box.x + box.width / 2)) - box.width / 2;
        const qy = Math.abs(y - (box.y + box.height / 2)) - box.height / 2;
        return Math.hypot(Math.max(qx, 0), Math.max(qy, 0)) + Math.min(Math.max(qx, qy), 0);
      };
      return filled ? (x, y) => ramp(distance(x, y)) : (x, y) => ramp(Math.abs(distance(x, y)) - half);
    }
    case 'ellipse': {
      const box = rectFromCorners(from, to);
      const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      const disc = (grow: number): ((x: number, y: number) => number) => {
        const a = box.width / 2 + grow;
        const b = box.height / 2 + grow;
        if (a <= 0 || b <= 0) return () => 0;
        return (x, y) => ramp(ellipseDistance((x - centre.x) / a, (y - centre.y) / b, a, b));
      };
      if (filled) return disc(0);
      // Difference of two discs: keeps the width right where a first-order distance would not.
      const outer = disc(half);
      const inner = disc(-half);
      return (x, y) => outer(x, y) - inner(x, y);
    }
    default:
      return kind satisfies never;
  }
}

/** First-order distance to an ellipse, f / |∇f| (Taubin 1994): exact on the edge, where the ramp is. */
function ellipseDistance(u: number, v: number, a: number, b: number): number {
  const radius = Math.hypot(u, v);
  const gradient = Math.hypot(u / a, v / b) / (radius || 1);
  return gradient === 0 ? -Math.min(a, b) : (radius - 1) / gradient;
}

const SUB_ROWS = 4;

/** Coverage of a closed polygon (even-odd), exact along x, `SUB_ROWS` samples along y. Undefined when it covers nothing. */
export function polygonMask(points: readonly Point[], bounds: Rect): CoverageMask | undefined {
  if (points.length < 3) return undefined;
  const rect = intersectRect(roundOutRect(boundsOf(points)), bounds);
  if (!(rect.width > 0 && rect.height > 0)) return undefined;
  const mask = new Uint8Array(rect.width * rect.height);
  const row = new Float64Array(rect.width);
  for (let y = 0; y < rect.height; y++) {
    row.fill(0);
    for (let sub = 0; sub < SUB_ROWS; sub++) {
      const crossings = crossingsAt(points, rect.y + y + (sub + 0.5) / SUB_ROWS);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        addSpan(row, (crossings[i] as number) - rect.x, (crossings[i + 1] as number) - rect.x);
      }
    }
    for (let x = 0; x < rect.width; x++) mask[y * rect.width + x] = ((row[x] as number) / SUB_ROWS) * 255 + 0.5;
  }
  return { rect, mask };
}

function crossingsAt(points: readonly Point[], y: number): number[] {
  const out: number[] = [];
  let last = points[points.length - 1] as Point;
  for (const point of points) {
    if (last.y <= y !== point.y <= y) {
      out.push(last.x + ((y - last.y) / (point.y - last.y)) * (point.x - last.x));
    }
    last = point;
  }
  return out.sort((a, b) => a - b);
}

function addSpan(row: Float64Array, from: number, to: number): void {
  const start = Math.max(0, from);
  const end = Math.min(row.length, to);
  if (end <= start) return;
  const first = Math.floor(start);
  const last = Math.min(row.length - 1, Math.floor(end));
  for (let x = first; x <= last; x++) row[x] = (row[x] as number) + Math.min(end, x + 1) - Math.max(start, x);
}
