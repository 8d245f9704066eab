/**
 * Where temporary buffers of a program lie: live ranges in dispatches → offsets in one or few large buffers.
 * Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference", section 5.2).
 */
import { AppError } from '../../base/errors';
import { bufferUses } from './buffer_uses';
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
  const { bytes: bound, at } = busiest(items, plan.dispatches.length);
  let best: ArenaPlan | undefined;
  for (const order of orders(at)) {
    const found = placeInOrder(plan.graph.name, [...items].sort(order), maxBufferBytes);
    if (!best || found.bytes < best.bytes) best = found;
    if (best.bytes <= bound) break;
  }
  return best ?? placeInOrder(plan.graph.name, [], maxBufferBytes);
}

/**
 * By size leaves least between places for most networks. Results that stay in one place live long, and are then better
 * placed before larger ones that live for a moment, or those of the busiest moment before all others. The next order is
 * tried only above the lower bound.
 * @param busy the busiest dispatch
 */
function orders(busy: number): ((a: Item, b: Item) => number)[] {
  const life = ({ first, last }: Item) => last - first + 1;
  const isBusy = ({ first, last }: Item) => Number(first <= busy && busy <= last);
  const bySize = (a: Item, b: Item) => b.bytes - a.bytes || a.first - b.first;
  return [
    bySize,
    (a, b) => isBusy(b) - isBusy(a) || (isBusy(a) ? life(b) - life(a) : 0) || bySize(a, b),
    (a, b) => life(b) * b.bytes - life(a) * a.bytes || a.first - b.first,
  ];
}

/** Most bytes of temporaries alive at one dispatch: no arena can be smaller. */
export function arenaLowerBound(plan: Pick<ProgramPlan, 'buffers' | 'dispatches'>): number {
  return busiest(liveItems(plan), plan.dispatches.length).bytes;
}

function busiest(items: readonly Item[], dispatches: number): { readonly bytes: number; readonly at: number } {
  const change = new Float64Array(dispatches + 1);
  for (const { bytes, first, last } of items) {
    const aligned = alignUp(bytes, OFFSET_ALIGNMENT);
    change[first] = (change[first] ?? 0) + aligned;
    change[last + 1] = (change[last + 1] ?? 0) - aligned;
  }
  let live = 0;
  let most = { bytes: 0, at: 0 };
  for (const [at, delta] of change.entries()) {
    live += delta;
    if (live > most.bytes) most = { bytes: live, at };
  }
  return most;
}

/** Each item at the lowest place that those before it leave, in the first buffer that has one. */
function placeInOrder(name: string, items: readonly Item[], maxBufferBytes: number): ArenaPlan {
  const placements = new Map<BufferId, Placement>();
  const arenas: { readonly placed: { item: Item; offset: number }[]; bytes: number }[] = [];
  for (const item of items) {
    if (item.bytes > maxBufferBytes) {
      throw new AppError(
        'backend/out-of-memory',
        `${name}: one tensor must fit the device's largest buffer of ${maxBufferBytes} bytes, got ${item.bytes}; choose a smaller picture.`,
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
  const ranges = bufferUses(dispatches);
  return buffers.flatMap((buffer, id) => {
    const range = ranges.get(id);
    // A temporary that no dispatch touches takes no memory.
    return buffer.kind === 'temp' && range ? [{ id, bytes: buffer.bytes, ...range }] : [];
  });
}
