/**
 * From pen to ink: hands pointer input to the studio and paints what it changed. Ink is painted in the event itself, so
 * that a frame never waits for it; everything else (view, layers, undo) is painted once per frame.
 */
import type { CanvasEngine } from '$lib/canvas/canvas_engine';
import { listenToPointers, type HeldKeys } from '$lib/canvas/dom/pointer_shell';
import type { Rect } from '$lib/canvas/geometry/rect';
import type { PointerInput } from '$lib/canvas/gesture/gesture_types';
import type { CanvasListener } from '$lib/state/studio.svelte';
import { InkMeter } from './ink_meter';
import { ViewportPainter } from './viewport_painter';

/** Readings closer together than this share a paint: four 240 Hz readings that waited come at once. */
const PAINT_EVERY_MS = 3;
/** A frame that waits for longer than this means a crowded processor: painting in between would delay it more. */
const FRAME_LATE_MS = 25;

interface Drawable {
  pointer(input: PointerInput): void;
  listen(listener: CanvasListener): () => void;
}

export class InkLoop {
  readonly meter = new InkMeter();
  readonly #painter: ViewportPainter;
  readonly #studio: Drawable;
  readonly #stop: readonly (() => void)[];
  #damage: Rect[] = [];
  #all = true;
  #frame = 0;
  #frameAskedAt = 0;
  /** Time stamps of readings whose ink is not painted, or painted and not shown. */
  #unpainted: number[] = [];
  #unshown: number[] = [];
  #paintedAt = -Infinity;
  #workMs = 0;

  constructor(canvas: HTMLCanvasElement, engine: CanvasEngine, studio: Drawable, keys: () => HeldKeys) {
    this.#painter = new ViewportPainter(canvas, engine);
    this.#studio = studio;
    const stopListening = studio.listen(({ damage, viewChanged }) => {
      this.#damage.push(...damage);
      this.#all ||= viewChanged;
      this.#request();
    });
    this.#stop = [stopListening, listenToPointers(canvas, (input) => this.#handle(input), keys)];
  }

  dispose(): void {
    for (const stop of this.#stop) stop();
    cancelAnimationFrame(this.#frame);
  }

  /** Paints the whole screen at once: a resize emptied the canvas. */
  repaint(): void {
    this.#all = true;
    this.#paint();
  }

  #handle(input: PointerInput): void {
    const startedAt = performance.now();
    this.#studio.pointer(input);
    if (this.#damage.length > 0) {
      if (input.coalesced?.length) for (const { t } of input.coalesced) this.#unpainted.push(t);
      else if (!input.known) this.#unpainted.push(input.t);
    }
    this.#workMs += performance.now() - startedAt;
    const now = performance.now();
    const inking = this.#unpainted.length > 0 && !this.#all;
    const frameIsLate = this.#frame !== 0 && now - this.#frameAskedAt > FRAME_LATE_MS;
    if (inking && !frameIsLate && now - this.#paintedAt >= PAINT_EVERY_MS) this.#paint();
  }

  #request(): void {
    if (this.#frame !== 0) return;
    this.#frameAskedAt = performance.now();
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#damage.length > 0 || this.#all) this.#paint();
      const now = performance.now();
      this.meter.shown(this.#unshown, now);
      this.#unshown = [];
    });
  }

  #paint(): void {
    const startedAt = performance.now();
    const pixels = this.#painter.paint(this.#damage, this.#all, devicePixelRatio);
    const now = performance.now();
    this.#damage = [];
    this.#all = false;
    if (this.#unpainted.length > 0) {
      this.meter.painted(this.#unpainted, now, this.#workMs + now - startedAt, pixels);
      this.#unshown.push(...this.#unpainted);
      this.#unpainted = [];
    }
    this.#workMs = 0;
    this.#paintedAt = now;
  }
}
