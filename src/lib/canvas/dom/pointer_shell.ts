/**
 * Thin shell: PointerEvents of one canvas element → plain `PointerInput`. The only file here that knows the DOM's
 * events; everything is decided by the recogniser.
 */
import type { PointerInput, PointerReading } from '../gesture/gesture_types';

type Send = (input: PointerInput) => void;

/** What the shell needs to know about the keyboard; the caller tracks it. */
export interface HeldKeys {
  readonly pan: boolean;
  readonly pick: boolean;
}

const TYPES: Readonly<Record<string, PointerInput['type']>> = {
  pointerdown: 'down',
  pointermove: 'move',
  pointerup: 'up',
  pointercancel: 'cancel',
};

/**
 * Listens until the returned function is called. Sets `touch-action: none` and keeps long-press menus, text selection
 * and Scribble away from the strokes.
 */
export function listenToPointers(element: HTMLElement, send: Send, heldKeys: () => HeldKeys): () => void {
  const onPointer = (event: PointerEvent): void => {
    const type = TYPES[event.type];
    if (!type) return;
    if (type === 'down') {
      // Capture may be refused for pointers that are gone already (a pen lifted within the frame).
      if (typeof element.setPointerCapture === 'function' && event.isTrusted)
        element.setPointerCapture(event.pointerId);
      event.preventDefault();
    }
    send(pointerInput(event, type, element.getBoundingClientRect(), heldKeys()));
  };
  // iPadOS: without this, Scribble and the magnifier take over quick strokes.
  const onTouchMove = (event: TouchEvent): void => event.preventDefault();
  const onMenu = (event: Event): void => event.preventDefault();
  Object.assign(element.style, { touchAction: 'none', userSelect: 'none', webkitUserSelect: 'none' });
  element.style.setProperty('-webkit-touch-callout', 'none');
  const pointerTypes = ['pointerdown', 'pointermove', 'pointerup', 'pointercancel'] as const;
  for (const name of pointerTypes) element.addEventListener(name, onPointer);
  element.addEventListener('touchmove', onTouchMove, { passive: false });
  element.addEventListener('contextmenu', onMenu);
  return () => {
    for (const name of pointerTypes) element.removeEventListener(name, onPointer);
    element.removeEventListener('touchmove', onTouchMove);
    element.removeEventListener('contextmenu', onMenu);
  };
}

function pointerInput(event: PointerEvent, type: PointerInput['type'], box: DOMRect, keys: HeldKeys): PointerInput {
  const pointerType = event.pointerType === 'pen' || event.pointerType === 'touch' ? event.pointerType : 'mouse';
  const read = (from: PointerEvent): PointerReading => ({
    t: from.timeStamp,
    x: from.clientX - box.left,
    y: from.clientY - box.top,
    // Only pens measure; others report a constant that would thin every line.
    pressure: pointerType === 'pen' ? from.pressure : 1,
    tiltX: from.tiltX,
    tiltY: from.tiltY,
  });
  const moves = type === 'move';
  return {
    ...read(event),
    type,
    pointerId: event.pointerId,
    pointerType,
    button: event.button,
    buttons: event.buttons,
    coalesced: moves ? (event.getCoalescedEvents?.() ?? []).map(read) : [],
    predicted: moves ? (event.getPredictedEvents?.() ?? []).map(read) : [],
    contactPx: pointerType === 'touch' ? Math.max(event.width, event.height) : 0,
    panModifier: keys.pan,
    pickModifier: keys.pick,
  };
}
