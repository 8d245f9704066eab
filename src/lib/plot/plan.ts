/** From a plot request to its cells: which request each is, what its labels say, and the order that costs least. Pure. */
import { AppError } from '../base/errors';
import type { GenerateRequest, PlotAxisRequest, PlotRequest, PlotStyle } from '../rpc/engine';
import { plotAxis } from './axes';
import { readAxisValues, valueText, type AxisNeed, type AxisValue, type PlotAxis } from './axis';
import { joinList } from './values';

/** A plot of more cells would run for days. */
const MAX_CELLS = 1000;

export const PLOT_SIDES = ['x', 'y', 'z'] as const;
export type PlotSide = (typeof PLOT_SIDES)[number];

export interface PlannedAxis {
  readonly axis: PlotAxis;
  readonly values: readonly AxisValue[];
  /** What stands at the edge of the sheet, per value. */
  readonly texts: readonly string[];
  /** The values as the user wrote them. */
  readonly written: string;
}

export interface PlotCell {
  /** Position on each axis; 0 where there is none. */
  readonly at: Readonly<Record<PlotSide, number>>;
  readonly request: GenerateRequest;
  readonly labels: readonly string[];
}

export interface PlotPlan {
  readonly axes: Readonly<Partial<Record<PlotSide, PlannedAxis>>>;
  readonly counts: Readonly<Record<PlotSide, number>>;
  /** In the order of computing: the axis that is dearest to change is the outermost. */
  readonly cells: readonly PlotCell[];
}

const NEEDS: Readonly<Record<AxisNeed, { has: (request: GenerateRequest) => boolean; what: string }>> = {
  init: { has: (r) => r.init !== undefined, what: 'a start picture' },
  inpaint: { has: (r) => r.init?.inpaint !== undefined, what: 'a mask' },
  hires: { has: (r) => r.hires !== undefined, what: 'the second pass (hires fix) switched on' },
  refiner: { has: (r) => r.refiner !== undefined, what: 'a refiner' },
  control: { has: (r) => (r.control ?? []).length > 0, what: 'a control unit' },
  soft: { has: (r) => r.init?.inpaint?.soft !== undefined, what: 'soft inpainting switched on' },
  strength: { has: (r) => r.init !== undefined || r.hires !== undefined, what: 'a start picture or the second pass' },
};

/**
 * @throws AppError 'argument/invalid' for an unknown axis, values that are none, an axis whose part of the request is
 * missing, one axis twice, or more than 1000 cells; 'sampler/unknown'
 */
export function planPlot(request: GenerateRequest, plot: PlotRequest, randomSeed: () => number): PlotPlan {
  const axes = readAxes(plot, plot.keepRandomSeeds === true ? undefined : randomSeed);
  const counts = {
    x: axes.x?.values.length ?? 1,
    y: axes.y?.values.length ?? 1,
    z: axes.z?.values.length ?? 1,
  };
  const total = counts.x * counts.y * counts.z;
  if (total > MAX_CELLS) {
    throw new AppError('argument/invalid', `plot: may have up to ${MAX_CELLS} cells, got ${total}; leave values out.`, {
      details: { cells: total },
    });
  }
  const { plot: _plot, grid: _grid, ...base } = request;
  // One random seed for all cells: differences then come from the axes.
  const seeded = plot.keepRandomSeeds === true || base.seed !== -1 ? base : { ...base, seed: randomSeed() };
  checkNeeds(seeded, axes);
  const order = PLOT_SIDES.filter((side) => axes[side]).sort((a, b) => cost(axes[b]) - cost(axes[a]));
  let places: Record<PlotSide, number>[] = [{ x: 0, y: 0, z: 0 }];
  for (const side of order) {
    places = places.flatMap((place) => Array.from({ length: counts[side] }, (_, i) => ({ ...place, [side]: i })));
  }
  return { axes, counts, cells: places.map((at) => cellAt(seeded, axes, at, plot.styles ?? [])) };
}

function readAxes(plot: PlotRequest, randomSeed: (() => number) | undefined): Partial<Record<PlotSide, PlannedAxis>> {
  const axes: Partial<Record<PlotSide, PlannedAxis>> = {};
  const seen = new Set<string>();
  for (const side of PLOT_SIDES) {
    const asked: PlotAxisRequest | undefined = plot[side];
    if (!asked || asked.axis === '') continue;
    const axis = plotAxis(asked.axis);
    // Several words may be replaced at once; everything else would only overwrite itself.
    if (seen.has(axis.id) && axis.id !== 'promptReplace') {
      throw new AppError('argument/invalid', `plot axis ${axis.label}: is chosen twice; choose another one.`);
    }
    seen.add(axis.id);
    const read = readAxisValues(axis, asked.values);
    const values = axis.random && randomSeed ? read.map((value) => (value === -1 ? randomSeed() : value)) : read;
    axes[side] = { axis, values, texts: values.map((value) => labelOf(axis, value)), written: asked.values };
  }
  return axes;
}

/** Texts speak for themselves; numbers are shown with what they are. */
function labelOf(axis: PlotAxis, value: AxisValue): string {
  const text = valueText(value);
  return axis.kind === 'text' || axis.kind === 'choice' || axis.kind === 'order' ? text : `${axis.label}: ${text}`;
}

function cost(planned: PlannedAxis | undefined): number {
  return planned?.axis.cost ?? 0;
}

function checkNeeds(request: GenerateRequest, axes: Partial<Record<PlotSide, PlannedAxis>>): void {
  // A refiner or another part may come from an axis itself.
  const refined = Object.values(axes).some(({ axis }) => axis.id === 'refiner');
  for (const { axis } of Object.values(axes)) {
    if (!axis.needs || (axis.needs === 'refiner' && refined)) continue;
    const { has, what } = NEEDS[axis.needs];
    if (has(request)) continue;
    throw new AppError('argument/invalid', `plot axis ${axis.label}: needs ${what}.`, { details: { axis: axis.id } });
  }
}

/** The refiner comes first: its switch is set on what it made. Styles come last: words are replaced in what was typed. */
const APPLIED: Readonly<Record<string, number>> = { refiner: 0, styles: 2 };

function cellAt(
  base: GenerateRequest,
  axes: Partial<Record<PlotSide, PlannedAxis>>,
  at: Record<PlotSide, number>,
  styles: readonly PlotStyle[],
): PlotCell {
  const labels: string[] = [];
  let request = base;
  const rank = (side: PlotSide): number => APPLIED[axes[side]?.axis.id ?? ''] ?? 1;
  const sides = PLOT_SIDES.filter((side) => axes[side]).sort((a, b) => rank(a) - rank(b));
  for (const side of sides) {
    const planned = axes[side];
    const value = planned?.values[at[side]];
    if (!planned || value === undefined) continue;
    request = planned.axis.apply(request, value, planned.values, styles);
  }
  for (const side of PLOT_SIDES) {
    const text = axes[side]?.texts[at[side]];
    if (text !== undefined) labels.push(text);
  }
  return { at, request, labels };
}

/**
 * What the sheet's infotext says of the plot, in the web UIs' keys. A sheet of one z value leaves z out.
 * Source of the keys: A1111 scripts/xyz_grid.py (`Script`, `X Type`, `X Values`, `Fixed X Values`).
 */
export function plotPairs(plan: PlotPlan, sides: readonly PlotSide[] = PLOT_SIDES): [key: string, value: string][] {
  const pairs: [string, string][] = [['Script', 'X/Y/Z plot']];
  for (const side of sides) {
    const planned = plan.axes[side];
    if (!planned) continue;
    const name = side.toUpperCase();
    pairs.push([`${name} Type`, planned.axis.label], [`${name} Values`, planned.written]);
    if (planned.axis.random) pairs.push([`Fixed ${name} Values`, joinList(planned.values.map(valueText))]);
  }
  return pairs;
}
