/** When the buffers of a recorded program are needed. */
import type { BufferId, DispatchPlan } from './plan_types';

/** First and last dispatch that bind a buffer. */
export interface BufferUse {
  readonly first: number;
  last: number;
}

/** Of every buffer that a dispatch binds. */
export function bufferUses(dispatches: readonly Pick<DispatchPlan, 'bindings'>[]): Map<BufferId, BufferUse> {
  const uses = new Map<BufferId, BufferUse>();
  for (const [position, { bindings }] of dispatches.entries()) {
    for (const operand of Object.values(bindings)) {
      if (!operand) continue;
      const use = uses.get(operand.buffer);
      if (use) use.last = position;
      else uses.set(operand.buffer, { first: position, last: position });
    }
  }
  return uses;
}
