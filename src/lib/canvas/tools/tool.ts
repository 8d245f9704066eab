/**
 * Tools as pure reducers: a step holds the plans of what to change and the function that takes the next input.
 * Calling `next` twice gives the same answer twice; nothing is changed until someone executes a plan.
 */
import type { BrushSettings } from '../brush/brush_settings';
import type { Dab } from '../brush/dab';
import type { StrokeSample } from '../brush/sample';
import type { Symmetry } from '../brush/symmetry';
import type { SelectionMode } from '../document/selection';
import type { Point, Rect } from '../geometry/rect';
import type { FillOptions } from './fill';
import type { Shape } from './shape_mask';

export interface ToolContext {
  readonly brush: BrushSettings;
  readonly symmetry: Symmetry;
  readonly fill: FillOptions;
  readonly shapeFilled: boolean;
  readonly selectionMode: SelectionMode;
}

export type ToolInput =
  | { readonly type: 'move'; readonly samples: readonly StrokeSample[]; readonly predicted: readonly StrokeSample[] }
  | { readonly type: 'end' };

export type ToolPlan =
  /** Stamp `dabs` for good, show `scratch` until the next plan. */
  | { readonly kind: 'dabs'; readonly dabs: readonly Dab[]; readonly scratch: readonly Dab[] }
  /** The one shape of this stroke so far. */
  | { readonly kind: 'shape'; readonly shape: Shape }
  | { readonly kind: 'fill'; readonly at: Point; readonly options: FillOptions }
  /** Read the colour; `final` when the pen lifts. */
  | { readonly kind: 'pick'; readonly at: Point; readonly final: boolean }
  /** Outline to show while selecting. */
  | { readonly kind: 'select-outline'; readonly points: readonly Point[] }
  | { readonly kind: 'select'; readonly area: SelectArea; readonly mode: SelectionMode }
  /** Move the selected pixels by whole pixels from where they were when the stroke began. */
  | { readonly kind: 'move'; readonly dx: number; readonly dy: number };

export type SelectArea =
  | { readonly kind: 'rect'; readonly rect: Rect }
  | { readonly kind: 'polygon'; readonly points: readonly Point[] }
  /** A tap: selects nothing. */
  | { readonly kind: 'none' };

export interface ToolStep {
  readonly plans: readonly ToolPlan[];
  next(input: ToolInput): ToolStep;
}

export interface Tool {
  readonly id: string;
  /** What a stroke does to the layer: `none` tools work on locked layers too. */
  readonly writes: 'paint' | 'erase' | 'move' | 'none';
  start(context: ToolContext, sample: StrokeSample): ToolStep;
}

/** After the end a tool takes no more input. */
export function finished(plans: readonly ToolPlan[]): ToolStep {
  return { plans, next: () => finished([]) };
}
