/**
 * Thin shell: PointerEvents of one canvas element → plain `PointerInput`. The only file here that knows the DOM's
 * events; everything is decided by the recogniser.
 *
 * While a pointer draws, readings are taken from `pointerrawupdate` where the browser has it: they arrive as the pen
 * makes them instead of gathered for the next frame. `pointermove` then brings predictions, and whatever was missed.
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
  pointerrawupdate: 'move',
  pointerup: 'up',
  pointercancel: 'cancel',
};

/**
 * Listens until the returned function is called. Sets `touch-action: none` and keeps long-press menus, text selection
 * and Scribble away from the strokes.
 */
export function listenToPointers(element: HTMLElement, send: Send, heldKeys: () => HeldKeys): () => void {
  const shell = new PointerShell(element, send, heldKeys);
  Object.assign(element.style, { touchAction: 'none', userSelect: 'none', webkitUserSelect: 'none' });
  element.style.setProperty('-webkit-touch-callout', 'none');
  return shell.listen();
}

class PointerShell {
  readonly #element: HTMLElement;
  readonly #send: Send;
  readonly #heldKeys: () => HeldKeys;
  /** Pointers that are down, with the last reading sent of each. */
  readonly #down = new Map<number, PointerEvent>();
  /** Where the element is; read when a contact begins, since asking at each event would lay the page out again. */
  #box: DOMRect;

  constructor(element: HTMLElement, send: Send, heldKeys: () => HeldKeys) {
    this.#element = element;
    this.#send = send;
    this.#heldKeys = heldKeys;
    this.#box = element.getBoundingClientRect();
  }

  listen(): () => void {
    const element = this.#element;
    const pointerTypes = ['pointerdown', 'pointermove', 'pointerup', 'pointercancel'] as const;
    // iPadOS: without this, Scribble and the magnifier take over quick strokes.
    const prevent = (event: Event): void => event.preventDefault();
    const onRaw = this.#onPointer as EventListener;
    for (const name of pointerTypes) element.addEventListener(name, this.#onPointer);
    // For good, not from the first contact on: readings queued before the listener is known would come out of order.
    element.addEventListener('pointerrawupdate', onRaw);
    element.addEventListener('touchmove', prevent, { passive: false });
    element.addEventListener('contextmenu', prevent);
    return () => {
      for (const name of pointerTypes) element.removeEventListener(name, this.#onPointer);
      element.removeEventListener('pointerrawupdate', onRaw);
      element.removeEventListener('touchmove', prevent);
      element.removeEventListener('contextmenu', prevent);
    };
  }

  readonly #onPointer = (event: PointerEvent): void => {
    const type = TYPES[event.type];
    if (!type) return;
    if (type === 'down') this.#begin(event);
    // Hovering is of no interest to strokes, and its events are many.
    if (type === 'move' && !this.#down.has(event.pointerId)) return;
    const input = this.#input(event, type);
    if (type === 'up' || type === 'cancel') this.#down.delete(event.pointerId);
    if (input) this.#send(input);
  };

  #begin(event: PointerEvent): void {
    // Capture may be refused for pointers that are gone already (a pen lifted within the frame).
    if (typeof this.#element.setPointerCapture === 'function' && event.isTrusted)
      this.#element.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.#box = this.#element.getBoundingClientRect();
    this.#down.set(event.pointerId, event);
  }

  #input(event: PointerEvent, type: PointerInput['type']): PointerInput | undefined {
    const pointerType = event.pointerType === 'pen' || event.pointerType === 'touch' ? event.pointerType : 'mouse';
    const box = this.#box;
    const read = (from: PointerEvent): PointerReading => ({
      t: from.timeStamp,
      x: from.clientX - box.left,
      y: from.clientY - box.top,
      // Only pens measure; others report a constant that would thin every line.
      pressure: pointerType === 'pen' ? from.pressure : 1,
      tiltX: from.tiltX,
      tiltY: from.tiltY,
    });
    const readings = type === 'move' ? this.#news(event) : [];
    const predicted = event.type === 'pointermove' ? (event.getPredictedEvents?.() ?? []) : [];
    const known = type === 'move' && readings.length === 0;
    if (known && predicted.length === 0) return undefined;
    const keys = this.#heldKeys();
    return {
      ...read(event),
      type,
      pointerId: event.pointerId,
      pointerType,
      button: event.button,
      buttons: event.buttons,
      coalesced: readings.map(read),
      predicted: predicted.map(read),
      ...(known ? { known } : {}),
      contactPx: pointerType === 'touch' ? Math.max(event.width, event.height) : 0,
      panModifier: keys.pan,
      pickModifier: keys.pick,
    };
  }

  /**
   * Readings of a move that were not sent before. A raw update and the `pointermove` of its frame hold the same
   * readings, in either order of arrival (Chromium 156 does both); lists are in order, so news follow the last one sent.
   */
  #news(event: PointerEvent): readonly PointerEvent[] {
    const gathered = event.getCoalescedEvents?.() ?? [];
    const events = gathered.length > 0 ? gathered : [event];
    const last = this.#down.get(event.pointerId);
    const sent = events.findLastIndex((reading) => last !== undefined && sameReading(reading, last));
    const news = events.slice(sent + 1).filter(({ timeStamp }) => timeStamp >= (last?.timeStamp ?? 0));
    const newest = news.at(-1);
    if (newest) this.#down.set(event.pointerId, newest);
    return news;
  }
}

function sameReading(a: PointerEvent, b: PointerEvent): boolean {
  return a.timeStamp === b.timeStamp && a.clientX === b.clientX && a.clientY === b.clientY;
}
