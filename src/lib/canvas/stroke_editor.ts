/**
 * Strokes in document pixels: a tool's plans carried out on the document, and what one event changed, gathered for its
 * report. Knows no screen and no gestures.
 */
import type { BrushSettings } from './brush/brush_settings';
import { brushPreset } from './brush/presets';
import type { StrokeSample } from './brush/sample';
import type { Paint } from './brush/coverage_session';
import type { Symmetry } from './brush/symmetry';
import type { CanvasDocument, Layer } from './document/document';
import type { Rgb } from './document/pixels';
import type { SelectionMode } from './document/selection';
import { DocumentEditor } from './document_editor';
import type { EditorOptions, EditorUpdate } from './document_history';
import { translation } from './geometry/affine';
import type { Point, Rect } from './geometry/rect';
import { DEFAULT_GESTURES, type GestureSettings } from './gesture/gesture_types';
import { OpenPaint, OpenTransform } from './open_edit';
import { TileEdit } from './tiles/tile_edit';
import type { FillOptions } from './tools/fill';
import { toolById, type ToolId } from './tools/registry';
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

/** A colour that was looked at, and where: screen pixels for a finger, document pixels for the tool. */
export interface Picked {
  readonly colour: Rgb | undefined;
  readonly at: Point;
  readonly final: boolean;
  readonly loupe: 'left' | 'right';
}

interface OpenStroke {
  step: ToolStep;
  readonly tool: Tool;
  readonly paint?: OpenPaint;
  readonly move?: OpenTransform;
}

/** Coordinates further out than this many document sizes are a broken event; bounds the work of one sample. */
const FAR = 4;

export abstract class StrokeEditor extends DocumentEditor {
  protected options: EngineSettings;
  protected stroke: OpenStroke | undefined;
  /** Gathered while one event is handled. */
  protected damage: Rect[] = [];
  protected notices: EngineNotice[] = [];
  protected structureTouched = false;
  protected picked: Picked | undefined;
  protected outline: readonly Point[] | undefined;

  constructor(document: CanvasDocument, options: EditorOptions) {
    super(document, options);
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

  override cancelWork(): EditorUpdate {
    this.stroke = undefined;
    return super.cancelWork();
  }

  protected override settle(): void {
    if (this.stroke) this.closeStroke();
    super.settle();
  }

  protected openStroke(sample: StrokeSample, toolId: ToolId): void {
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

  protected continueStroke(samples: readonly StrokeSample[], predicted: readonly StrokeSample[]): void {
    const { stroke } = this;
    if (!stroke) return;
    const clamped = samples.map((sample) => this.clamp(sample));
    stroke.step = stroke.step.next({ type: 'move', samples: clamped, predicted: predicted.map((s) => this.clamp(s)) });
    this.execute(stroke.step.plans);
  }

  protected closeStroke(): void {
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

  protected dropStroke(): void {
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

  protected pick(at: Point, screenAt: Point | undefined, final: boolean, loupe: 'left' | 'right'): void {
    const colour = this.colourAt(at.x, at.y);
    if (final && colour) this.options = { ...this.options, colour };
    this.picked = { colour, at: screenAt ?? at, final, loupe };
  }

  private clamp(sample: StrokeSample): StrokeSample {
    const { width, height } = this.size;
    const x = Math.min(FAR * width, Math.max(-FAR * width, sample.x));
    const y = Math.min(FAR * height, Math.max(-FAR * height, sample.y));
    return x === sample.x && y === sample.y ? sample : { ...sample, x, y };
  }

  protected gather(update: EditorUpdate): void {
    this.damage.push(...update.damage);
    this.structureTouched ||= update.structureChanged;
  }
}
