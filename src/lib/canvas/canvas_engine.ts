/**
 * The façade: a stroke editor driven by pointer events, and the view on its document. Plain data in and out; the same object serves the page or a
 * worker. A shell feeds `handlePointer`, draws `composite` of the damaged boxes under `viewport`, and saves by
 * `encodeChanges`.
 */
import { AppError } from '../base/errors';
import { assertBrush } from './brush/brush_settings';
import { isUsableSample, type StrokeSample } from './brush/sample';
import type { CanvasDocument } from './document/document';
import { isRgb } from './document/layer';
import type { EditorOptions, EditorUpdate } from './document_history';
import type { Point } from './geometry/rect';
import {
  fitView,
  limitView,
  pinchView,
  rotateAt,
  screenToDocument,
  zoomAt,
  mirrorAt,
  type Size,
  type Viewport,
} from './geometry/viewport';
import {
  gestureDeadline,
  IDLE_GESTURES,
  recognise,
  resetGestures,
  tickGestures,
  type GestureStep,
} from './gesture/gesture_recogniser';
import type { GestureAction, PointerInput, PointerReading } from './gesture/gesture_types';
import { StrokeEditor, type EngineNotice, type EngineSettings, type Picked } from './stroke_editor';
import { TOOLS, type ToolId } from './tools/registry';

export interface EngineUpdate extends EditorUpdate {
  readonly viewChanged: boolean;
  readonly picked?: Picked;
  /** Outline of a selection in the making, document pixels. */
  readonly outline?: readonly Point[];
  readonly notices: readonly EngineNotice[];
  readonly strokeActive: boolean;
  /** Call `tick` at this time (same clock as the pointer events) if nothing else happens before. */
  readonly deadline?: number;
}

export class CanvasEngine extends StrokeEditor {
  private gestures = IDLE_GESTURES;
  private view: Viewport;
  private screen: Size;
  private viewTouched = false;

  constructor(document: CanvasDocument, options: EditorOptions & { readonly screen?: Size } = {}) {
    super(document, options);
    this.screen = options.screen ?? { width: document.shape.width, height: document.shape.height };
    this.view = fitView(this.size, this.screen);
  }

  get settings(): EngineSettings {
    return this.options;
  }

  /** Of the surface, CSS pixels. */
  get screenSize(): Size {
    return this.screen;
  }

  get viewport(): Viewport {
    return this.view;
  }

  /** Whether a pen was seen; keep it and pass it to `setPenSeen` next time. */
  get penSeen(): boolean {
    return this.gestures.penSeen;
  }

  /**
   * Changes tool, colour, brush, … An open stroke is finished with what it began with.
   * @throws AppError `canvas/invalid` for brushes, colours or tools out of range
   */
  configure(patch: Partial<EngineSettings>): void {
    if (patch.brush) assertBrush(patch.brush);
    if (patch.eraser) assertBrush(patch.eraser);
    if (patch.colour && !isRgb(patch.colour)) {
      throw new AppError('canvas/invalid', 'colour: must be three numbers in 0..255; correct it.');
    }
    if (patch.tool && !TOOLS.some((tool) => tool.id === patch.tool)) {
      throw new AppError(
        'canvas/invalid',
        `tool: unknown "${patch.tool}"; known: ${TOOLS.map((t) => t.id).join(', ')}.`,
      );
    }
    this.options = { ...this.options, ...patch };
  }

  setPenSeen(penSeen: boolean): void {
    this.gestures = { ...this.gestures, penSeen };
  }

  // --- View

  setScreen(screen: Size): EngineUpdate {
    this.screen = screen;
    return this.setView(this.view);
  }

  fit(): EngineUpdate {
    return this.setView(fitView(this.size, this.screen));
  }

  zoom(at: Point, scale: number): EngineUpdate {
    return this.setView(zoomAt(this.view, at, scale));
  }

  rotate(at: Point, radians: number): EngineUpdate {
    return this.setView(rotateAt(this.view, at, radians));
  }

  mirrorView(): EngineUpdate {
    return this.setView(mirrorAt(this.view, { x: this.screen.width / 2, y: this.screen.height / 2 }));
  }

  setView(view: Viewport): EngineUpdate {
    this.view = limitView(view, this.size, this.screen);
    this.viewTouched = true;
    return this.report();
  }

  // --- Pointers

  /** One pointer event in CSS pixels relative to the canvas. */
  handlePointer(input: PointerInput): EngineUpdate {
    if (!isUsableSample(input)) return this.report();
    return this.perform(recognise(this.options.gestures, this.gestures, input));
  }

  /** Lets time pass for hold-to-pick; see `EngineUpdate.deadline`. */
  tick(t: number): EngineUpdate {
    return this.perform(tickGestures(this.options.gestures, this.gestures, t));
  }

  /** Drops a stroke in progress: the window lost focus, the tool was switched by key. */
  cancelGestures(): EngineUpdate {
    return this.perform(resetGestures(this.gestures));
  }

  // --- Strokes in document pixels, for replays and tests; `handlePointer` ends here too.

  beginStroke(sample: StrokeSample, toolId: ToolId = this.options.tool): EngineUpdate {
    this.openStroke(sample, toolId);
    return this.report();
  }

  extendStroke(samples: readonly StrokeSample[], predicted: readonly StrokeSample[] = []): EngineUpdate {
    this.continueStroke(samples, predicted);
    return this.report();
  }

  endStroke(): EngineUpdate {
    this.closeStroke();
    return this.report();
  }

  cancelStroke(): EngineUpdate {
    this.dropStroke();
    return this.report();
  }

  private perform(step: GestureStep): EngineUpdate {
    this.gestures = step.state;
    for (const action of step.actions) this.act(action);
    return this.report();
  }

  private act(action: GestureAction): void {
    switch (action.type) {
      case 'pen-seen':
        this.notices.push('pen-seen');
        return;
      case 'stroke-begin':
        this.openStroke(this.toDocument(action.sample), action.erase ? 'eraser' : this.options.tool);
        return;
      case 'stroke-move':
        this.continueStroke(
          action.samples.filter(isUsableSample).map((s) => this.toDocument(s)),
          action.predicted.filter(isUsableSample).map((s) => this.toDocument(s)),
        );
        return;
      case 'stroke-end':
        this.closeStroke();
        return;
      case 'stroke-cancel':
      case 'pick-cancel':
        this.dropStroke();
        return;
      case 'pick':
        this.pick(screenToDocument(this.view, action.at), action.at, action.final, action.loupe);
        return;
      case 'view':
        this.view = limitView(pinchView(this.view, action), this.size, this.screen);
        this.viewTouched = true;
        return;
      case 'fit':
        this.view = fitView(this.size, this.screen);
        this.viewTouched = true;
        return;
      case 'undo':
        this.gather(this.undo());
        this.notices.push('undone');
        return;
      case 'redo':
        this.gather(this.redo());
        this.notices.push('redone');
        return;
      default:
        action satisfies never;
    }
  }

  private toDocument(reading: PointerReading): StrokeSample {
    const { t, pressure, tiltX, tiltY } = reading;
    return { ...screenToDocument(this.view, reading), t, pressure, tiltX, tiltY };
  }

  private report(): EngineUpdate {
    const deadline = gestureDeadline(this.options.gestures, this.gestures);
    const update: EngineUpdate = {
      revision: this.revision,
      damage: this.damage,
      structureChanged: this.structureTouched,
      viewChanged: this.viewTouched,
      notices: this.notices,
      strokeActive: this.stroke !== undefined,
      ...(this.picked ? { picked: this.picked } : {}),
      ...(this.outline ? { outline: this.outline } : {}),
      ...(deadline === undefined ? {} : { deadline }),
    };
    this.damage = [];
    this.notices = [];
    this.viewTouched = false;
    this.structureTouched = false;
    this.picked = undefined;
    this.outline = undefined;
    return update;
  }
}
