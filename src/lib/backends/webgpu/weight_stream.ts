/**
 * Weights that do not all fit pass through two slots of device memory, group of dispatches after group, in every run;
 * the rest stays. Which weight lies where is decided here, from the recorded program alone: the same dispatches run on
 * the same arena as with resident weights, so results are equal bit by bit. Loading is in `streamer.ts`.
 */
import { bufferBytes } from './buffer_pool';
import type { BufferId, ProgramPlan } from './plan_types';
import { alignUp, OFFSET_ALIGNMENT } from './weights/weight_plan';

export const STREAM_SLOTS = 2;

/** Smaller weights stay: reading them anew costs more than their memory. */
const SMALL_BYTES = 64 * 1024;
/** A slot larger than this overlaps no better. */
const SLOT_BYTES = 96 * 2 ** 20;

export interface StreamedPart {
  /** The planned buffer, of kind `weight`. */
  readonly buffer: BufferId;
  /** In the slot. */
  readonly offset: number;
  readonly bytes: number;
}

/** Consecutive dispatches whose streamed weights are on the device together, in slot `index % STREAM_SLOTS`. */
export interface StreamGroup {
  readonly first: number;
  readonly end: number;
  readonly parts: readonly StreamedPart[];
}

export interface StreamPlan {
  readonly groups: readonly StreamGroup[];
  readonly slotBytes: number;
  /** Buffers that pass through; all other weights stay. */
  readonly streamed: ReadonlySet<BufferId>;
  /** Read from the source in every run. */
  readonly bytesPerRun: number;
}

type Recorded = Pick<ProgramPlan, 'buffers' | 'dispatches' | 'weights'>;

const slotSize = (bytes: number) => alignUp(Math.ceil(bytes), OFFSET_ALIGNMENT);

/** Weight buffers that dispatch `i` reads. */
function weightsOf({ buffers, dispatches }: Recorded, i: number): Set<BufferId> {
  const used = new Set<BufferId>();
  for (const operand of Object.values(dispatches[i]?.bindings ?? {})) {
    if (operand && buffers[operand.buffer]?.kind === 'weight') used.add(operand.buffer);
  }
  return used;
}

/**
 * Undefined when all weights fit the budget, or when nothing can be streamed.
 * @param budgetBytes for weights, slots included; less than the least possible gives the least possible
 */
export function planStream(plan: Recorded, budgetBytes: number): StreamPlan | undefined {
  const sizes = plan.weights.map(() => 0);
  for (const buffer of plan.buffers) {
    if (buffer.kind === 'weight') sizes[buffer.weight] = (sizes[buffer.weight] ?? 0) + bufferBytes(buffer.bytes);
  }
  const all = sizes.reduce((a, b) => a + b, 0);
  // In the order of first use.
  const large = new Set<number>();
  let largestNeed = 0;
  for (const i of plan.dispatches.keys()) {
    let need = 0;
    for (const id of weightsOf(plan, i)) {
      const buffer = plan.buffers[id];
      if (buffer?.kind !== 'weight' || (sizes[buffer.weight] ?? 0) < SMALL_BYTES) continue;
      need += slotSize(buffer.bytes);
      large.add(buffer.weight);
    }
    largestNeed = Math.max(largestNeed, need);
  }
  if (all <= budgetBytes || large.size === 0) return undefined;
  const largeBytes = [...large].reduce((sum, weight) => sum + (sizes[weight] ?? 0), 0);
  // Two slots of what the largest dispatch needs, or of more where that leaves room for it.
  const roomy = Math.min(SLOT_BYTES, slotSize(budgetBytes / 8), slotSize(largeBytes / 4));
  const slotBytes = Math.max(largestNeed, roomy);
  const stay = Math.max(0, budgetBytes - (all - largeBytes) - STREAM_SLOTS * slotBytes);
  const passing = spread([...large], sizes, largeBytes, stay);
  const streamed = new Set<BufferId>();
  for (const [id, buffer] of plan.buffers.entries()) {
    if (buffer.kind === 'weight' && passing.has(buffer.weight)) streamed.add(id);
  }
  const groups = groupDispatches(plan, streamed, slotBytes);
  const bytesPerRun = groups.reduce((sum, { parts }) => sum + parts.reduce((s, { bytes }) => s + bytes, 0), 0);
  return { groups, slotBytes, streamed, bytesPerRun };
}

/** Chooses what passes through so that resident and streamed weights alternate: reading then overlaps with computing. */
function spread(order: readonly number[], sizes: readonly number[], total: number, stay: number): Set<number> {
  const passing = new Set<number>();
  let kept = 0;
  let seen = 0;
  for (const weight of order) {
    const bytes = sizes[weight] ?? 0;
    seen += bytes;
    if (kept + bytes <= stay && kept + bytes <= (stay * seen) / total) kept += bytes;
    else passing.add(weight);
  }
  return passing;
}

function groupDispatches(plan: Recorded, streamed: ReadonlySet<BufferId>, slotBytes: number): StreamGroup[] {
  const groups: StreamGroup[] = [];
  let first = 0;
  let parts = new Map<BufferId, StreamedPart>();
  let filled = 0;
  const close = (end: number) => {
    if (end > first) groups.push({ first, end, parts: [...parts.values()] });
    first = end;
    parts = new Map();
    filled = 0;
  };
  for (const i of plan.dispatches.keys()) {
    const fresh = [...weightsOf(plan, i)].filter((id) => streamed.has(id) && !parts.has(id));
    const needed = fresh.reduce((sum, id) => sum + slotSize(plan.buffers[id]?.bytes ?? 0), 0);
    if (filled + needed <= slotBytes) {
      for (const id of fresh) filled = place(plan, parts, id, filled);
      continue;
    }
    close(i);
    for (const id of weightsOf(plan, i)) if (streamed.has(id)) filled = place(plan, parts, id, filled);
  }
  close(plan.dispatches.length);
  return groups;
}

function place(plan: Recorded, parts: Map<BufferId, StreamedPart>, buffer: BufferId, offset: number): number {
  const bytes = plan.buffers[buffer]?.bytes ?? 0;
  parts.set(buffer, { buffer, offset, bytes });
  return offset + slotSize(bytes);
}
