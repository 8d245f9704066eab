/** The least that an arena can be, whatever the order of its buffers. */
import type { ProgramPlan } from '../../src/lib/backends/webgpu/plan_types';
import { alignUp, OFFSET_ALIGNMENT } from '../../src/lib/backends/webgpu/weights/weight_plan';

/** Most bytes of temporaries alive at one dispatch: no arena can be smaller. */
export function arenaLowerBound({ buffers, dispatches }: Pick<ProgramPlan, 'buffers' | 'dispatches'>): number {
  const ranges = new Map<number, { first: number; last: number }>();
  for (const [position, { bindings }] of dispatches.entries()) {
    for (const operand of Object.values(bindings)) {
      if (!operand || buffers[operand.buffer]?.kind !== 'temp') continue;
      const range = ranges.get(operand.buffer);
      if (range) range.last = position;
      else ranges.set(operand.buffer, { first: position, last: position });
    }
  }
  const change = new Float64Array(dispatches.length + 1);
  for (const [id, { first, last }] of ranges) {
    const bytes = alignUp(buffers[id]?.bytes ?? 0, OFFSET_ALIGNMENT);
    change[first] = (change[first] ?? 0) + bytes;
    change[last + 1] = (change[last + 1] ?? 0) - bytes;
  }
  let live = 0;
  return change.reduce((most, delta) => Math.max(most, (live += delta)), 0);
}
