/**
 * The façade: a document editor driven by pointer events. Plain data in and out; the same object serves the page or a
 * worker. A shell feeds `handlePointer`, draws `composite` of the damaged boxes under `viewport`, and saves by
 * `encodeChanges`.
 */
import { AppError } from '../base/errors';
import { assertBrush, type BrushSettings } from './brush/brush_settings';
import { brushPreset } from './brush/presets';
import { isUsableSample, type StrokeSample } from './brush/sample';
import type { Paint } from './brush/coverage_session';
import type { Symmetry } from './brush/symmetry';
import type { CanvasDocument, Layer } from './document/document';
import { isRgb } from './document/layer';
import type { Rgb } from './document/pixels';
import type { SelectionMode } from './document/selection';
import { DocumentEditor } from './document_editor';
import type { EditorOptions, EditorUpdate } from './document_history';
import { translation } from './geometry/affine';
import type { Point, Rect } from './geometry/rect';
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
import {
  DEFAULT_GESTURES,
  type GestureAction,
  type GestureSettings,
  type PointerInput,
  type PointerReading,
} from './gesture/gesture_types';
import { OpenPaint, OpenTransform } from './open_edit';
import { TileEdit } from './tiles/tile_edit';
import type { FillOptions } from './tools/fill';
import { TOOLS, toolById, type ToolId } from './tools/registry';
import type { Tool, ToolPlan, ToolStep } from './tools/tool';

export interface EngineSettings {
  readonly tool: ToolId;
  readonly activeLayerId: string;
  readonly colour: Rgb;
  /** Brush of the painting tools; shapes use its size as line width. */
  readonly brush: BrushSettings;
  readonly eraser: BrushSettings;
  readonly symmetry: Symmetry;
  readonly fill: FillOptions;
  /** What fill looks at. */
  readonly fillFrom: 'view' | 'layer';
  readonly shapeFilled: boolean;
  readonly selectionMode: SelectionMode;
  readonly gestures: GestureSettings;
}

/** Why a stroke did nothing. */
export type EngineNotice = 'pen-seen' | 'layer-locked' | 'layer-hidden' | 'no-layer' | 'undone' | 'redone';

export interface EngineUpdate extends EditorUpdate {
  readonly viewChanged: boolean;
  readonly picked?: {
    readonly colour: Rgb | undefined;
    readonly at: Point;
    readonly final: boolean;
    readonly loupe: 'left' | 'right';
  };
  /** Outline of a selection in the making, document pixels. */
  readonly outline?: readonly Point[];
  readonly notices: readonly EngineNotice[];
  readonly strokeActive: boolean;
  /** Call `tick` at this time (same clock as the pointer events) if nothing else happens before. */
  readonly deadline?: number;
}

interface OpenStroke {
  step: ToolStep;
  readonly tool: Tool;
  readonly paint?: OpenPaint;
  readonly move?: OpenTransform;
}

/** Coordinates further out than this many document sizes are a broken event; bounds the work of one sample. */
const FAR = 4;

export class CanvasEngine extends DocumentEditor {
  private options: EngineSettings;
  private gestures = IDLE_GESTURES;
  private view: Viewport;
  private screen: Size;
  private stroke: OpenStroke | undefined;
  /** Gathered while one event is handled. */
  private damage: Rect[] = [];
  private notices: EngineNotice[] = [];
  private viewTouched = false;
  private structureTouched = false;
  private picked: EngineUpdate['picked'];
  private outline: readonly Point[] | undefined;

  constructor(document: CanvasDocument, options: EditorOptions & { readonly screen?: Size } = {}) {
    super(document, options);
    this.screen = options.screen ?? { width: document.shape.width, height: document.shape.height };
    this.view = fitView(this.size, this.screen);
    this.options = {
      tool: 'brush',
      activeLayerId: document.shape.layers.at(-1)?.props.id ?? '',
      colour: [0, 0, 0],
      brush: brushPreset('hard-round'),
      eraser: brushPreset('hard-round'),
      symmetry: { kind: 'none' },
      fill: { tolerance: 16, closeGapPx: 0, growPx: 1, contiguous: true },
      fillFrom: 'view',
      shapeFilled: false,
      selectionMode: 'replace',
      gestures: DEFAULT_GESTURES,
    };
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

  override cancelWork(): EditorUpdate {
    this.stroke = undefined;
    return super.cancelWork();
  }

  protected override settle(): void {
    if (this.stroke) this.closeStroke();
    super.settle();
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

  private openStroke(sample: StrokeSample, toolId: ToolId): void {
    this.settle();
    const tool = toolById(toolId);
    const layer = this.writableLayer(tool);
    if (tool.writes !== 'none' && !layer) return;
    const context = { ...this.options, brush: tool.writes === 'erase' ? this.options.eraser : this.options.brush };
    const step = tool.start(context, this.clamp(sample));
    const { shape } = this.document;
    if (layer && tool.writes !== 'none') {
      const edit = new TileEdit();
      this.work = { edit, label: tool.id };
      if (tool.writes === 'move') {
        const move = new OpenTransform(edit, shape, layer);
        this.work = { edit, label: tool.id, transform: move };
        this.stroke = { step, tool, move };
      } else {
        const paint: Paint =
          tool.writes === 'erase' ? { mode: 'erase' } : { mode: 'paint', colour: this.options.colour };
        this.stroke = { step, tool, paint: new OpenPaint(edit, shape, layer, paint, this.options.fillFrom) };
      }
    } else {
      this.stroke = { step, tool };
    }
    this.execute(step.plans);
  }

  private writableLayer(tool: Tool): Layer | undefined {
    const layer = this.document.shape.layers.find(({ props }) => props.id === this.options.activeLayerId);
    if (tool.writes === 'none') return layer;
    if (!layer) this.notices.push('no-layer');
    else if (layer.props.locked) this.notices.push('layer-locked');
    else if (!layer.props.visible) this.notices.push('layer-hidden');
    else return layer;
    return undefined;
  }

  private continueStroke(samples: readonly StrokeSample[], predicted: readonly StrokeSample[]): void {
    const { stroke } = this;
    if (!stroke) return;
    const clamped = samples.map((sample) => this.clamp(sample));
    stroke.step = stroke.step.next({ type: 'move', samples: clamped, predicted: predicted.map((s) => this.clamp(s)) });
    this.execute(stroke.step.plans);
  }

  private closeStroke(): void {
    const { stroke, work } = this;
    if (!stroke) return;
    stroke.step = stroke.step.next({ type: 'end' });
    this.execute(stroke.step.plans);
    this.stroke = undefined;
    if (stroke.move) {
      this.gather(this.endTransform());
    } else if (stroke.paint && work) {
      this.work = undefined;
      const { deltas, damage } = stroke.paint.commit();
      this.damage.push(...damage);
      const { structureChanged } = this.commit(work.label, this.document.shape, deltas);
      this.structureTouched ||= structureChanged;
    }
  }

  private dropStroke(): void {
    this.stroke = undefined;
    this.gather(this.cancelWork());
  }

  private execute(plans: readonly ToolPlan[]): void {
    for (const plan of plans) {
      switch (plan.kind) {
        case 'dabs':
        case 'shape':
        case 'fill':
          if (this.stroke?.paint) this.gather(this.touched(this.stroke.paint.apply(plan)));
          break;
        case 'move':
          if (this.stroke?.move) this.gather(this.updateTransform(translation(plan.dx, plan.dy)));
          break;
        case 'pick':
          this.pick(plan.at, undefined, plan.final, 'left');
          break;
        case 'select-outline':
          this.outline = plan.points;
          break;
        case 'select': {
          // The stroke that selects must not be settled by its own result.
          this.stroke = undefined;
          this.gather(this.select(plan.area, plan.mode));
          break;
        }
        default:
          plan satisfies never;
      }
    }
  }

  private pick(at: Point, screenAt: Point | undefined, final: boolean, loupe: 'left' | 'right'): void {
    const colour = this.colourAt(at.x, at.y);
    if (final && colour) this.options = { ...this.options, colour };
    this.picked = { colour, at: screenAt ?? at, final, loupe };
  }

  private toDocument(reading: PointerReading): StrokeSample {
    const { t, pressure, tiltX, tiltY } = reading;
    return { ...screenToDocument(this.view, reading), t, pressure, tiltX, tiltY };
  }

  private clamp(sample: StrokeSample): StrokeSample {
    const { width, height } = this.size;
    const x = Math.min(FAR * width, Math.max(-FAR * width, sample.x));
    const y = Math.min(FAR * height, Math.max(-FAR * height, sample.y));
    return x === sample.x && y === sample.y ? sample : { ...sample, x, y };
  }

  private gather(update: EditorUpdate): void {
    this.damage.push(...update.damage);
    this.structureTouched ||= update.structureChanged;
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
