/** Fingers as navigation: pan, pinch, turn, taps, quick pinch. The part of the recogniser that knows no pen. */
import type { Point } from '../geometry/rect';
import {
  PAN_SLOP_PX,
  QUICK_PINCH_MS,
  QUICK_PINCH_SCALE,
  ROTATE_SLOP_RAD,
  TAP_MAX_MS,
  TAP_MAX_TRAVEL_PX,
  type GestureAction,
  type GestureSettings,
  type PointerInput,
} from './gesture_types';

export interface Touch {
  readonly pointerId: number;
  readonly start: Point;
  readonly now: Point;
  readonly startedAt: number;
  readonly travelPx: number;
  /** Taken for a palm, or used up by another gesture; waits to be lifted. */
  readonly ignored: boolean;
  readonly duringPen: boolean;
}

/** From the first finger down to the last one up. */
interface Sequence {
  readonly startedAt: number;
  /** Most fingers at once. */
  readonly fingers: number;
  /** Still short and still enough to be a tap. */
  readonly tappable: boolean;
  /** The view follows the fingers. */
  readonly engaged: boolean;
  readonly scale: number;
  readonly turnedRad: number;
}

export interface TouchState {
  readonly list: readonly Touch[];
  readonly sequence: Sequence | undefined;
}

export interface TouchStep {
  readonly touches: TouchState;
  readonly actions: readonly GestureAction[];
}

export const NO_TOUCHES: TouchState = { list: [], sequence: undefined };

export function touchById(state: TouchState, pointerId: number): Touch | undefined {
  return state.list.find((touch) => touch.pointerId === pointerId);
}

export function addTouch(
  state: TouchState,
  input: PointerInput,
  flags: { readonly ignored: boolean; readonly duringPen: boolean },
): TouchState {
  const at = { x: input.x, y: input.y };
  const touch: Touch = { pointerId: input.pointerId, start: at, now: at, startedAt: input.t, travelPx: 0, ...flags };
  const list = [...state.list.filter((other) => other.pointerId !== input.pointerId), touch];
  if (flags.ignored) return { ...state, list };
  const fingers = list.filter((other) => !other.ignored).length;
  const fresh: Sequence = {
    startedAt: input.t,
    fingers,
    tappable: !flags.duringPen,
    engaged: false,
    scale: 1,
    turnedRad: 0,
  };
  const sequence = state.sequence
    ? {
        ...state.sequence,
        fingers: Math.max(state.sequence.fingers, fingers),
        tappable: state.sequence.tappable && input.t - state.sequence.startedAt <= TAP_MAX_MS,
      }
    : fresh;
  return { list, sequence };
}

/** Marks touches as used up. `onlyIdle`: those that came beside the pen and moved nothing. */
export function ignoreTouches(
  state: TouchState,
  which: { readonly onlyIdle: boolean } = { onlyIdle: false },
): TouchState {
  if (state.list.length === 0) return NO_TOUCHES;
  const keep = (touch: Touch): boolean => which.onlyIdle && (!touch.duringPen || (state.sequence?.engaged ?? false));
  const list = state.list.map((touch) => (keep(touch) ? touch : { ...touch, ignored: true }));
  return { list, sequence: list.some((touch) => !touch.ignored) ? state.sequence : undefined };
}

/**
 * Follows a finger.
 * @param strokeActive a stroke is being drawn: one finger alone then moves nothing, two do
 */
export function moveTouch(
  settings: GestureSettings,
  state: TouchState,
  input: PointerInput,
  strokeActive: boolean,
): TouchStep {
  const touch = touchById(state, input.pointerId);
  const { sequence } = state;
  if (!touch || touch.ignored || !sequence) return { touches: state, actions: [] };
  const now = { x: input.x, y: input.y };
  const travelPx = Math.max(touch.travelPx, Math.hypot(now.x - touch.start.x, now.y - touch.start.y));
  const moved: Touch = { ...touch, now, travelPx };
  const list = state.list.map((other) => (other === touch ? moved : other));
  const elapsedMs = input.t - sequence.startedAt;
  const tappable = sequence.tappable && elapsedMs <= TAP_MAX_MS && travelPx <= TAP_MAX_TRAVEL_PX;
  const live = list.filter((other) => !other.ignored);
  const enough = live.length >= (strokeActive ? 2 : 1);
  if (!enough) return { touches: { list, sequence: { ...sequence, tappable } }, actions: [] };
  if (!sequence.engaged) {
    const slopPx = elapsedMs <= TAP_MAX_MS ? TAP_MAX_TRAVEL_PX : PAN_SLOP_PX;
    // From here on, not from the start: the view must not jump by the slop.
    const engaged = travelPx > slopPx;
    return { touches: { list, sequence: { ...sequence, tappable, engaged } }, actions: [] };
  }
  const before = live.map((other) => (other === moved ? touch : other));
  const change = pinchBetween(before, live);
  const turnedRad = sequence.turnedRad + change.rotateRad;
  const turns = settings.rotate && Math.abs(turnedRad) > ROTATE_SLOP_RAD;
  const action: GestureAction = { type: 'view', ...change, rotateRad: turns ? change.rotateRad : 0 };
  return {
    touches: { list, sequence: { ...sequence, tappable, scale: sequence.scale * change.scale, turnedRad } },
    actions: [action],
  };
}

/** A finger lifts or is cancelled. Taps and quick pinches are decided when the last one is gone. */
export function dropTouch(state: TouchState, input: PointerInput, strokeActive: boolean): TouchStep {
  const touch = touchById(state, input.pointerId);
  const list = state.list.filter((other) => other !== touch);
  const { sequence } = state;
  if (!touch || touch.ignored || !sequence) return { touches: { list, sequence }, actions: [] };
  const elapsedMs = input.t - sequence.startedAt;
  const travelPx = Math.hypot(input.x - touch.start.x, input.y - touch.start.y);
  const tappable = sequence.tappable && input.type === 'up' && elapsedMs <= TAP_MAX_MS && travelPx <= TAP_MAX_TRAVEL_PX;
  const ended: Sequence = { ...sequence, tappable };
  if (list.some((other) => !other.ignored)) return { touches: { list, sequence: ended }, actions: [] };
  return { touches: { list, sequence: undefined }, actions: strokeActive ? [] : endActions(ended, elapsedMs) };
}

function endActions(sequence: Sequence, elapsedMs: number): GestureAction[] {
  if (sequence.tappable && !sequence.engaged) {
    if (sequence.fingers === 2) return [{ type: 'undo' }];
    if (sequence.fingers === 3) return [{ type: 'redo' }];
  }
  const quick = sequence.fingers === 2 && elapsedMs <= QUICK_PINCH_MS && sequence.scale <= QUICK_PINCH_SCALE;
  return quick ? [{ type: 'fit' }] : [];
}

/** Movement of one finger, or of the first two: middle to middle, ratio of distances, turn of the line between. */
function pinchBetween(
  before: readonly Touch[],
  after: readonly Touch[],
): { from: Point; to: Point; scale: number; rotateRad: number } {
  const [a0, b0] = before;
  const [a1, b1] = after;
  const from = middle(a0, b0);
  const to = middle(a1, b1);
  if (!a0 || !b0 || !a1 || !b1) return { from, to, scale: 1, rotateRad: 0 };
  const v0 = { x: b0.now.x - a0.now.x, y: b0.now.y - a0.now.y };
  const v1 = { x: b1.now.x - a1.now.x, y: b1.now.y - a1.now.y };
  const length0 = Math.max(1, Math.hypot(v0.x, v0.y));
  const length1 = Math.max(1, Math.hypot(v1.x, v1.y));
  const rotateRad = Math.atan2(v0.x * v1.y - v0.y * v1.x, v0.x * v1.x + v0.y * v1.y);
  return { from, to, scale: length1 / length0, rotateRad };
}

function middle(a: Touch | undefined, b: Touch | undefined): Point {
  const p = a?.now ?? { x: 0, y: 0 };
  return b ? { x: (p.x + b.now.x) / 2, y: (p.y + b.now.y) / 2 } : p;
}
