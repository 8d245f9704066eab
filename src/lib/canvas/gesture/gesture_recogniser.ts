/**
 * Pen, fingers and mouse → strokes, view changes, picks, undo: a pure state machine over abstract pointer events.
 * Rules: a pen contact turns one-finger drawing off and takes back what earlier touches began; fingers navigate;
 * `pointercancel` discards; hover is ignored; two and three fingers tap undo and redo.
 */
import type { Point } from '../geometry/rect';
import {
  HOLD_MAX_TRAVEL_PX,
  HOLD_MS,
  PALM_CONTACT_PX,
  type GestureAction,
  type GestureSettings,
  type PointerInput,
  type StrokeRole,
} from './gesture_types';
import {
  addTouch,
  dropTouch,
  ignoreTouches,
  moveTouch,
  NO_TOUCHES,
  touchById,
  type TouchState,
} from './touch_navigation';

interface ActiveStroke {
  readonly pointerId: number;
  readonly pointerType: PointerInput['pointerType'];
  readonly role: StrokeRole;
  readonly start: Point;
  readonly last: Point;
  readonly startedAt: number;
  readonly travelPx: number;
}

export interface GestureState {
  readonly penSeen: boolean;
  readonly stroke: ActiveStroke | undefined;
  readonly touches: TouchState;
}

export interface GestureStep {
  readonly state: GestureState;
  readonly actions: readonly GestureAction[];
}

export const IDLE_GESTURES: GestureState = { penSeen: false, stroke: undefined, touches: NO_TOUCHES };

/** Takes one pointer event. Events of unknown pointers and repeated downs change nothing. */
export function recognise(settings: GestureSettings, before: GestureState, input: PointerInput): GestureStep {
  const held = tickGestures(settings, before, input.t);
  const step = route(settings, held.state, input);
  return { state: step.state, actions: [...held.actions, ...step.actions] };
}

/** When `tickGestures` should be called although nothing moves; undefined when nothing waits for time. */
export function gestureDeadline(settings: GestureSettings, state: GestureState): number | undefined {
  const held = heldPointer(settings, state);
  return held && held.startedAt + HOLD_MS;
}

/** Lets time pass: a pointer that rested long enough picks a colour. */
export function tickGestures(settings: GestureSettings, state: GestureState, t: number): GestureStep {
  const held = heldPointer(settings, state);
  if (!held || t < held.startedAt + HOLD_MS) return { state, actions: [] };
  const actions: GestureAction[] = [];
  if (state.stroke) actions.push({ type: 'stroke-cancel', reason: 'hold' });
  actions.push(pickAction(settings, held.last, false));
  return {
    state: { ...state, stroke: { ...held, role: 'pick' }, touches: ignoreTouches(state.touches) },
    actions,
  };
}

/** Ends everything in progress, for example when the window loses focus or the tool changes. */
export function resetGestures(state: GestureState): GestureStep {
  return {
    state: { ...IDLE_GESTURES, penSeen: state.penSeen, touches: ignoreTouches(state.touches) },
    actions: cancelActions(state.stroke, 'reset'),
  };
}

function route(settings: GestureSettings, state: GestureState, input: PointerInput): GestureStep {
  if (input.type === 'down') {
    if (state.stroke?.pointerId === input.pointerId) return unchanged(state);
    return input.pointerType === 'touch' ? touchDown(settings, state, input) : penOrMouseDown(settings, state, input);
  }
  if (state.stroke?.pointerId === input.pointerId) return strokeEvent(settings, state, state.stroke, input);
  if (input.pointerType !== 'touch' || !touchById(state.touches, input.pointerId)) return unchanged(state);
  if (input.type === 'move') {
    const { touches, actions } = moveTouch(settings, state.touches, input, state.stroke !== undefined);
    return { state: { ...state, touches }, actions };
  }
  const { touches, actions } = dropTouch(state.touches, input, state.stroke !== undefined);
  return { state: { ...state, touches }, actions };
}

function penOrMouseDown(settings: GestureSettings, state: GestureState, input: PointerInput): GestureStep {
  const actions: GestureAction[] = [];
  const isPen = input.pointerType === 'pen';
  if (isPen && !state.penSeen) actions.push({ type: 'pen-seen' });
  const next: GestureState = { ...state, penSeen: state.penSeen || isPen };
  // Only a finger's stroke gives way, and only to a pen: it was the palm.
  if (state.stroke && !(isPen && state.stroke.pointerType === 'touch')) return { state: next, actions };
  actions.push(...cancelActions(state.stroke, 'palm'));
  const started = startStroke(settings, input, roleOf(settings, input));
  return {
    state: { ...next, touches: ignoreTouches(state.touches), stroke: started.stroke },
    actions: [...actions, ...started.actions],
  };
}

function roleOf(settings: GestureSettings, input: PointerInput): StrokeRole {
  if (input.panModifier) return 'pan';
  if (input.pickModifier) return 'pick';
  if (input.pointerType === 'mouse') {
    if (input.button === 1) return 'pan';
    return input.button === 2 ? settings.rightMouseButton : 'draw';
  }
  if (input.button === 5 || (input.buttons & 32) !== 0) return 'erase';
  return input.button === 2 || (input.buttons & 2) !== 0 ? settings.barrelButton : 'draw';
}

function touchDown(settings: GestureSettings, state: GestureState, input: PointerInput): GestureStep {
  const { stroke } = state;
  const palm = (input.contactPx ?? 0) > PALM_CONTACT_PX;
  if (stroke?.pointerType === 'touch') {
    const young = state.touches.sequence?.tappable ?? false;
    const takesBack = stroke.role === 'draw' && young && !palm;
    const touches = addTouch(state.touches, input, { ignored: !takesBack, duringPen: false });
    if (!takesBack) return { state: { ...state, touches }, actions: [] };
    return { state: { ...state, stroke: undefined, touches }, actions: cancelActions(stroke, 'more-fingers') };
  }
  if (stroke) {
    const handSide = settings.leftHanded ? input.x <= stroke.last.x : input.x >= stroke.last.x;
    const allowed = stroke.pointerType === 'pen' && settings.touchDuringPen === 'two-finger' && !handSide && !palm;
    return {
      state: { ...state, touches: addTouch(state.touches, input, { ignored: !allowed, duringPen: true }) },
      actions: [],
    };
  }
  const touches = addTouch(state.touches, input, { ignored: palm, duringPen: false });
  const draws = settings.fingerDraws === 'always' || (settings.fingerDraws === 'until-pen' && !state.penSeen);
  const alone = touches.list.filter((touch) => !touch.ignored).length === 1;
  const role: StrokeRole = input.panModifier ? 'pan' : input.pickModifier ? 'pick' : 'draw';
  if (palm || !draws || !alone || touches.sequence?.fingers !== 1) return { state: { ...state, touches }, actions: [] };
  const started = startStroke(settings, input, role);
  return { state: { ...state, touches, stroke: started.stroke }, actions: started.actions };
}

function startStroke(
  settings: GestureSettings,
  input: PointerInput,
  role: StrokeRole,
): { stroke: ActiveStroke; actions: GestureAction[] } {
  const at = { x: input.x, y: input.y };
  const stroke: ActiveStroke = {
    pointerId: input.pointerId,
    pointerType: input.pointerType,
    role,
    start: at,
    last: at,
    startedAt: input.t,
    travelPx: 0,
  };
  if (role === 'pan') return { stroke, actions: [] };
  if (role === 'pick') return { stroke, actions: [pickAction(settings, at, false)] };
  const { t, x, y, pressure, tiltX, tiltY } = input;
  const sample = { t, x, y, pressure, tiltX, tiltY };
  return { stroke, actions: [{ type: 'stroke-begin', erase: role === 'erase', sample }] };
}

function strokeEvent(
  settings: GestureSettings,
  state: GestureState,
  stroke: ActiveStroke,
  input: PointerInput,
): GestureStep {
  if (input.type === 'cancel') {
    return {
      state: endStroke(state, stroke, input),
      actions: cancelActions(stroke, 'pointer-cancel'),
    };
  }
  const to = { x: input.x, y: input.y };
  const travelPx = Math.max(stroke.travelPx, Math.hypot(to.x - stroke.start.x, to.y - stroke.start.y));
  const moved: ActiveStroke = { ...stroke, last: to, travelPx };
  const actions: GestureAction[] = [];
  switch (stroke.role) {
    case 'pick':
      actions.push(pickAction(settings, to, input.type === 'up'));
      break;
    case 'pan':
      if (to.x !== stroke.last.x || to.y !== stroke.last.y) {
        actions.push({ type: 'view', from: stroke.last, to, scale: 1, rotateRad: 0 });
      }
      break;
    case 'draw':
    case 'erase':
      if (input.type === 'up') actions.push({ type: 'stroke-end' });
      else actions.push(strokeMove(input));
      break;
    default:
      stroke.role satisfies never;
  }
  if (input.type === 'up') return { state: endStroke(state, moved, input), actions };
  const touches =
    stroke.pointerType === 'touch' ? moveTouch(settings, state.touches, input, true).touches : state.touches;
  return { state: { ...state, stroke: moved, touches }, actions };
}

function strokeMove(input: PointerInput): GestureAction {
  const { t, x, y, pressure, tiltX, tiltY } = input;
  const alone = input.known ? [] : [{ t, x, y, pressure, tiltX, tiltY }];
  const samples = input.coalesced?.length ? input.coalesced : alone;
  return { type: 'stroke-move', samples, predicted: input.predicted ?? [] };
}

function endStroke(state: GestureState, stroke: ActiveStroke, input: PointerInput): GestureState {
  // A palm that came down beside the pen is still on the glass when the pen lifts; it must not start to pan.
  const left = stroke.pointerType === 'pen' ? ignoreTouches(state.touches, { onlyIdle: true }) : state.touches;
  const touches = stroke.pointerType === 'touch' ? dropTouch(left, input, true).touches : left;
  return { ...state, stroke: undefined, touches };
}

/** The pointer whose resting may become a pick. */
function heldPointer(settings: GestureSettings, state: GestureState): ActiveStroke | undefined {
  const { stroke, touches } = state;
  if (settings.holdToPick === 'off') return undefined;
  if (stroke) {
    const kindOk =
      stroke.pointerType === 'touch' || (stroke.pointerType === 'pen' && settings.holdToPick === 'touch-and-pen');
    return kindOk && stroke.role === 'draw' && stroke.travelPx <= HOLD_MAX_TRAVEL_PX ? stroke : undefined;
  }
  const live = touches.list.filter((touch) => !touch.ignored);
  const [only] = live;
  if (!only || live.length !== 1 || touches.sequence?.fingers !== 1 || touches.sequence.engaged) return undefined;
  if (only.travelPx > HOLD_MAX_TRAVEL_PX) return undefined;
  return {
    pointerId: only.pointerId,
    pointerType: 'touch',
    role: 'draw',
    start: only.start,
    last: only.now,
    startedAt: only.startedAt,
    travelPx: only.travelPx,
  };
}

function cancelActions(
  stroke: ActiveStroke | undefined,
  reason: Extract<GestureAction, { type: 'stroke-cancel' }>['reason'],
): GestureAction[] {
  if (!stroke || stroke.role === 'pan') return [];
  return stroke.role === 'pick' ? [{ type: 'pick-cancel' }] : [{ type: 'stroke-cancel', reason }];
}

function pickAction(settings: GestureSettings, at: Point, final: boolean): GestureAction {
  return { type: 'pick', at, final, loupe: settings.leftHanded ? 'right' : 'left' };
}

function unchanged(state: GestureState): GestureStep {
  return { state, actions: [] };
}
