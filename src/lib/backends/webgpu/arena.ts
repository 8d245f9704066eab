/**
 * Where temporary buffers of a program lie: live ranges in dispatches → offsets in one or few large buffers.
 * Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference", section 5.2).
 */
import { AppError } from '../../base/errors';
import type { BufferId, ProgramPlan } from './plan_types';
import { alignUp, OFFSET_ALIGNMENT } from './weights/weight_plan';

export interface Placement {
  /** Index of the arena buffer. */
  readonly arena: number;
  readonly offset: number;
}

export interface ArenaPlan {
  readonly placements: ReadonlyMap<BufferId, Placement>;
  /** Size of each arena buffer. */
  readonly sizes: readonly number[];
  readonly bytes: number;
  /** Sum of all temporaries: what it would take if nothing were reused. */
  readonly naiveBytes: number;
}

interface Item {
  readonly id: BufferId;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** @throws AppError 'backend/out-of-memory' when a temporary exceeds the largest buffer */
export function planArena(
  plan: Pick<ProgramPlan, 'buffers' | 'dispatches' | 'graph'>,
  maxBufferBytes: number,
  guardBytes = 0,
): ArenaPlan {
  const items = liveItems(plan);
  if (guardBytes > 0) return guardedArena(items, guardBytes);
  const placements = new Map<BufferId, Placement>();
  const arenas: { readonly placed: { item: Item; offset: number }[]; bytes: number }[] = [];
  for (const item of [...items].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    if (item.bytes > maxBufferBytes) {
      throw new AppError(
        'backend/out-of-memory',
        `${plan.graph.name}: one tensor must fit the device's largest buffer of ${maxBufferBytes} bytes, got ${item.bytes}; choose a smaller picture.`,
        { details: { bytes: item.bytes, limit: maxBufferBytes } },
      );
    }
    let index = 0;
    for (; ; index++) {
      const arena = (arenas[index] ??= { placed: [], bytes: 0 });
      const offset = firstGap(arena.placed, item);
      if (offset + item.bytes > maxBufferBytes) continue;
      arena.placed.push({ item, offset });
      arena.bytes = Math.max(arena.bytes, offset + item.bytes);
      placements.set(item.id, { arena: index, offset });
      break;
    }
  }
  const sizes = arenas.map(({ bytes }) => alignUp(bytes, 4));
  return {
    placements,
    sizes,
    bytes: sizes.reduce((a, b) => a + b, 0),
    naiveBytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Every temporary on its own, with untouched bytes between; for tests. */
function guardedArena(items: readonly Item[], guardBytes: number): ArenaPlan {
  const placements = new Map<BufferId, Placement>();
  let offset = 0;
  for (const { id, bytes } of items) {
    offset = alignUp(offset + guardBytes, OFFSET_ALIGNMENT);
    placements.set(id, { arena: 0, offset });
    offset += bytes;
  }
  const size = items.length === 0 ? 0 : alignUp(offset + guardBytes, 4);
  return { placements, sizes: size === 0 ? [] : [size], bytes: size, naiveBytes: size };
}

/** Lowest aligned offset where an item fits beside those alive at the same time. */
function firstGap(placed: readonly { item: Item; offset: number }[], wanted: Item): number {
  const rivals = placed
    .filter(({ item }) => item.first <= wanted.last && wanted.first <= item.last)
    .sort((a, b) => a.offset - b.offset);
  let offset = 0;
  for (const rival of rivals) {
    if (offset + wanted.bytes <= rival.offset) break;
    offset = Math.max(offset, alignUp(rival.offset + rival.item.bytes, OFFSET_ALIGNMENT));
  }
  return offset;
}

function liveItems({ buffers, dispatches }: Pick<ProgramPlan, 'buffers' | 'dispatches'>): Item[] {
  const ranges = new Map<BufferId, { first: number; last: number }>();
  for (const [position, { bindings }] of dispatches.entries()) {
    for (const operand of Object.values(bindings)) {
      if (!operand) continue;
      const range = ranges.get(operand.buffer);
      if (range) range.last = position;
      else ranges.set(operand.buffer, { first: position, last: position });
    }
  }
  return buffers.flatMap((buffer, id) => {
    const range = ranges.get(id);
    // A temporary that no dispatch touches takes no memory.
    return buffer.kind === 'temp' && range ? [{ id, bytes: buffer.bytes, ...range }] : [];
  });
}
