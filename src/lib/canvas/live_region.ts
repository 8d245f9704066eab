/**
 * Which part of a live picture a draft draws anew when only part of the sketch changed, and whether that pays. Pure.
 * Rules after Krita AI Diffusion: the part is grown by 8..128 px and feathered by half of that; what is drawn has at
 * least the side that the model was trained for. More is drawn than is put into the picture, because small models leave
 * a pale margin at the edges of whatever they draw.
 */
import type { Size } from './geometry/viewport';
import { expandRect, intersectRect, isEmptyRect, roundOutRect, type Rect } from './geometry/rect';

export interface LiveRegion {
  /** What is drawn: whole pixels of the picture; sides are multiples of the model's step. */
  readonly box: Rect;
  /** What of it is put into the picture: the change and some room, whole pixels inside the box. */
  readonly part: Rect;
  /** Over this width the part's edge blends into the picture around it, picture pixels. */
  readonly featherPx: number;
}

const GROW = { share: 0.25, minPx: 16, maxPx: 96 };
/** A region of more than this share of the picture saves less than the seam and the lost surroundings cost. */
const WORTH_SHARE = 0.5;
/** Pictures that come sooner than this need no saving. */
const WORTH_ABOVE_MS = 400;

/**
 * @param change box of everything that changed since the picture shown, document pixels
 * @param about.picture size of the whole picture; the document is scaled to it
 * @param about.minSidePx least side that the model draws well (its native one), picture pixels
 * @param about.stepPx sides must be multiples of it
 * @param about.averageMs measured time of a draft
 * @returns undefined where the whole picture is the better job
 */
export function regionOfChange(
  change: Rect,
  about: {
    readonly document: Size;
    readonly picture: Size;
    readonly minSidePx: number;
    readonly stepPx: number;
    readonly averageMs: number;
  },
): LiveRegion | undefined {
  const { document, picture, minSidePx, stepPx, averageMs } = about;
  if (averageMs < WORTH_ABOVE_MS || isEmptyRect(change)) return undefined;
  const [sx, sy] = [picture.width / document.width, picture.height / document.height];
  const scaled = { x: change.x * sx, y: change.y * sy, width: change.width * sx, height: change.height * sy };
  const growPx = Math.min(GROW.maxPx, Math.max(GROW.minPx, GROW.share * Math.max(scaled.width, scaled.height)));
  const whole = { x: 0, y: 0, ...picture };
  const part = intersectRect(roundOutRect(expandRect(scaled, growPx)), whole);
  if (isEmptyRect(part)) return undefined;
  const drawn = intersectRect(roundOutRect(expandRect(scaled, 2 * growPx)), whole);
  const across = stretch(drawn.x, drawn.width, picture.width, minSidePx, stepPx);
  const down = stretch(drawn.y, drawn.height, picture.height, minSidePx, stepPx);
  if (across.length * down.length > WORTH_SHARE * picture.width * picture.height) return undefined;
  return {
    box: { x: across.from, y: down.from, width: across.length, height: down.length },
    part,
    featherPx: Math.round(growPx / 2),
  };
}

/** A stretch of at least the wanted length, in whole steps, inside `0..limit`. */
function stretch(from: number, length: number, limit: number, least: number, step: number) {
  const wanted = Math.min(limit, Math.max(least, Math.ceil(length / step) * step));
  const centred = Math.round(from + length / 2 - wanted / 2);
  return { from: Math.min(limit - wanted, Math.max(0, centred)), length: wanted };
}
