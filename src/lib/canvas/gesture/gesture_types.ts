/** What goes into and comes out of the gesture recogniser: plain data in CSS pixels relative to the canvas. */
import type { Point } from '../geometry/rect';

/** One reading: a coalesced, predicted or main pointer event. */
export interface PointerReading {
  /** Milliseconds, one clock for all pointers. */
  readonly t: number;
  readonly x: number;
  readonly y: number;
  readonly pressure: number;
  readonly tiltX: number;
  readonly tiltY: number;
}

export interface PointerInput extends PointerReading {
  readonly type: 'down' | 'move' | 'up' | 'cancel';
  readonly pointerId: number;
  readonly pointerType: 'pen' | 'touch' | 'mouse';
  /** As in PointerEvent: 0 left or contact, 1 middle, 2 right or barrel, 5 eraser; -1 on moves. */
  readonly button: number;
  /** Bit mask as in PointerEvent: 1 contact, 2 barrel, 4 middle, 32 eraser. */
  readonly buttons: number;
  /** All readings since the last event, oldest first; may be missing or empty (Firefox on Android). */
  readonly coalesced?: readonly PointerReading[] | undefined;
  readonly predicted?: readonly PointerReading[] | undefined;
  /** The readings came with earlier events already; only `predicted` is news. */
  readonly known?: boolean | undefined;
  /** Larger side of the contact in CSS pixels, 0 or missing when unknown. */
  readonly contactPx?: number | undefined;
  /** Space bar held: drag pans. */
  readonly panModifier?: boolean | undefined;
  /** Alt held: drag picks a colour. */
  readonly pickModifier?: boolean | undefined;
}

export type StrokeRole = 'draw' | 'erase' | 'pick' | 'pan';

export type GestureAction =
  | { readonly type: 'pen-seen' }
  | { readonly type: 'stroke-begin'; readonly erase: boolean; readonly sample: PointerReading }
  | {
      readonly type: 'stroke-move';
      readonly samples: readonly PointerReading[];
      readonly predicted: readonly PointerReading[];
    }
  | { readonly type: 'stroke-end' }
  /** Forget the stroke as if it had never been. */
  | { readonly type: 'stroke-cancel'; readonly reason: 'pointer-cancel' | 'palm' | 'more-fingers' | 'hold' | 'reset' }
  /** `loupe`: where a magnifier is not under the hand. */
  | { readonly type: 'pick'; readonly at: Point; readonly final: boolean; readonly loupe: 'left' | 'right' }
  | { readonly type: 'pick-cancel' }
  /** One step of pan, pinch and turn: arguments of `pinchView`. */
  | {
      readonly type: 'view';
      readonly from: Point;
      readonly to: Point;
      readonly scale: number;
      readonly rotateRad: number;
    }
  | { readonly type: 'fit' }
  | { readonly type: 'undo' }
  | { readonly type: 'redo' };

export interface GestureSettings {
  /** `until-pen`: one finger draws until a pen was seen, then it pans. */
  readonly fingerDraws: 'until-pen' | 'always' | 'never';
  /**
   * What fingers do while the pen touches the glass. `two-finger`: two fingers on the free hand's side navigate; all
   * else is taken for a palm. `ignore`: nothing moves under the pen.
   */
  readonly touchDuringPen: 'two-finger' | 'ignore';
  readonly leftHanded: boolean;
  readonly holdToPick: 'touch' | 'touch-and-pen' | 'off';
  readonly barrelButton: 'pick' | 'pan' | 'erase' | 'draw';
  readonly rightMouseButton: 'pick' | 'pan' | 'erase';
  readonly rotate: boolean;
}

export const DEFAULT_GESTURES: GestureSettings = {
  fingerDraws: 'until-pen',
  touchDuringPen: 'two-finger',
  leftHanded: false,
  holdToPick: 'touch',
  barrelButton: 'pick',
  rightMouseButton: 'pick',
  rotate: true,
};

/** Klecks' limits for a finger tap: first contact to last lift, and travel of each finger. */
export const TAP_MAX_MS = 250;
export const TAP_MAX_TRAVEL_PX = 12;
export const HOLD_MS = 500;
export const HOLD_MAX_TRAVEL_PX = 8;
/** Travel before fingers that rest longer than a tap move the view. */
export const PAN_SLOP_PX = 4;
/** Turning less than this while pinching is a shaky hand. */
export const ROTATE_SLOP_RAD = 0.12;
/** A contact this wide is no fingertip. */
export const PALM_CONTACT_PX = 60;
/** A pinch closed to this ratio within `QUICK_PINCH_MS` fits the picture to the screen. */
export const QUICK_PINCH_SCALE = 0.75;
export const QUICK_PINCH_MS = 300;
