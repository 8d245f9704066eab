/** Brush and eraser: dabs along the stroke, copies by the symmetry ruler, provisional dabs up to the pen. */
import type { Affine } from '../geometry/affine';
import { beginPath, endPath, extendPath, provisionalDabs, type StrokePath } from '../brush/stroke_path';
import { mirrorDabs, symmetryMaps } from '../brush/symmetry';
import { finished, type Tool, type ToolContext, type ToolStep } from './tool';

function strokeTool(id: 'brush' | 'eraser', writes: 'paint' | 'erase') {
  return {
    id,
    writes,
    start(context, sample) {
      const maps = symmetryMaps(context.symmetry);
      const first = beginPath(context.brush, sample);
      const dabs = mirrorDabs(maps, first.dabs);
      return {
        plans: [{ kind: 'dabs', dabs, scratch: [] }],
        next: (input) => advance(context, maps, first.path, input),
      };
    },
  } as const satisfies Tool;
}

function advance(
  context: ToolContext,
  maps: readonly Affine[],
  path: StrokePath,
  input: Parameters<ToolStep['next']>[0],
): ToolStep {
  const { brush } = context;
  if (input.type === 'end') {
    return finished([{ kind: 'dabs', dabs: mirrorDabs(maps, endPath(brush, path)), scratch: [] }]);
  }
  const step = extendPath(brush, path, input.samples);
  return {
    plans: [
      {
        kind: 'dabs',
        dabs: mirrorDabs(maps, step.dabs),
        scratch: mirrorDabs(maps, provisionalDabs(brush, step.path, input.predicted)),
      },
    ],
    next: (following) => advance(context, maps, step.path, following),
  };
}

export const brushTool = strokeTool('brush', 'paint');
export const eraserTool = strokeTool('eraser', 'erase');
