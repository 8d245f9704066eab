/** What a recorded program will hold, from the plan alone. */
import type { MemoryPlan } from '../backend';
import type { ArenaPlan } from './arena';
import { bufferBytes } from './buffer_pool';
import type { ProgramPlan } from './plan_types';
import { residentBytes } from './residents';
import type { StreamPlan } from './weight_stream';

/** Exact memory of a recorded program, before anything is loaded. Weights shared with other programs count in full. */
export function memoryPlan(plan: ProgramPlan, arena: ArenaPlan, stream?: StreamPlan): MemoryPlan {
  let border = 0;
  let naiveBorder = 0;
  for (const buffer of plan.buffers) {
    if (buffer.kind !== 'input' && buffer.kind !== 'output') continue;
    border += bufferBytes(buffer.bytes);
    naiveBorder += bufferBytes(buffer.bytes);
  }
  const weightsBytes = residentBytes(plan, stream);
  const arenaBytes = arena.sizes.reduce((sum, size) => sum + bufferBytes(size), 0) + border;
  return {
    weightsBytes,
    arenaBytes,
    naiveArenaBytes: arena.naiveBytes + naiveBorder,
    peakBytes: weightsBytes + arenaBytes,
    ...(stream ? { streamedBytes: stream.bytesPerRun } : {}),
  };
}
