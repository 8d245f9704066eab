/** Tools that look only at where a drag began and where it is now, or at its outline. */
import type { StrokeSample } from '../brush/sample';
import { rectFromCorners, roundOutRect, type Point } from '../geometry/rect';
import type { ShapeKind } from './shape_mask';
import { finished, type SelectArea, type Tool, type ToolContext, type ToolPlan, type ToolStep } from './tool';

/** A drag from `from` to the latest sample; `plan` says what each position and the end mean. */
function drag(from: Point, to: Point, plan: (to: Point, final: boolean) => readonly ToolPlan[]): ToolStep {
  return {
    plans: plan(to, false),
    next(input) {
      if (input.type === 'end') return finished(plan(to, true));
      return drag(from, input.samples.at(-1) ?? to, plan);
    },
  };
}

function shapeTool<Kind extends ShapeKind>(kind: Kind) {
  return {
    id: kind,
    writes: 'paint',
    start(context: ToolContext, from: StrokeSample): ToolStep {
      const strokePx = context.brush.sizePx;
      const filled = context.shapeFilled && kind !== 'line';
      return drag(from, from, (to) => [{ kind: 'shape', shape: { kind, from, to, filled, strokePx } }]);
    },
  } as const satisfies Tool;
}

export const lineTool = shapeTool('line');
export const rectTool = shapeTool('rect');
export const ellipseTool = shapeTool('ellipse');

export const pickTool = {
  id: 'pick',
  writes: 'none',
  start: (_context, from) => drag(from, from, (at, final) => [{ kind: 'pick', at, final }]),
} as const satisfies Tool;

/** Fills where the pen lifts, so that a palm or a pinch can still take it back. */
export const fillTool = {
  id: 'fill',
  writes: 'paint',
  start: (context, from) =>
    drag(from, from, (_to, final) => (final ? [{ kind: 'fill', at: from, options: context.fill }] : [])),
} as const satisfies Tool;

export const moveTool = {
  id: 'move',
  writes: 'move',
  start: (_context, from) =>
    drag(from, from, (to) => [{ kind: 'move', dx: Math.round(to.x - from.x), dy: Math.round(to.y - from.y) }]),
} as const satisfies Tool;

/** Shorter drags are taps, which clear the selection. */
const TAP_PX = 2;

export const selectRectTool = {
  id: 'select-rect',
  writes: 'none',
  start: (context, from) =>
    drag(from, from, (to, final) => {
      const rect = roundOutRect(rectFromCorners(from, to));
      if (!final) return [{ kind: 'select-outline', points: cornersOf(rect) }];
      const tap = Math.hypot(to.x - from.x, to.y - from.y) < TAP_PX;
      const area: SelectArea = tap ? { kind: 'none' } : { kind: 'rect', rect };
      return [{ kind: 'select', area, mode: context.selectionMode }];
    }),
} as const satisfies Tool;

/** Points nearer to the last one than this add nothing to an outline. */
const LASSO_STEP_PX = 0.75;

export const lassoTool = {
  id: 'select-lasso',
  writes: 'none',
  start: (context, from) => lasso(context, [from]),
} as const satisfies Tool;

function lasso(context: ToolContext, points: readonly Point[]): ToolStep {
  return {
    plans: [{ kind: 'select-outline', points }],
    next(input) {
      if (input.type === 'end') {
        const area: SelectArea = points.length < 3 ? { kind: 'none' } : { kind: 'polygon', points };
        return finished([{ kind: 'select', area, mode: context.selectionMode }]);
      }
      const grown = [...points];
      for (const { x, y } of input.samples) {
        const last = grown[grown.length - 1] as Point;
        if (Math.hypot(x - last.x, y - last.y) >= LASSO_STEP_PX) grown.push({ x, y });
      }
      return lasso(context, grown);
    },
  };
}

function cornersOf({ x, y, width, height }: { x: number; y: number; width: number; height: number }): Point[] {
  return [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ];
}
