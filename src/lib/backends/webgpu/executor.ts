/** What programs of one backend share: device, pool, pipelines, weights, arenas, queue. */
import type { RunObserver } from '../backend';
import type { ArenaCache } from './arena_cache';
import type { BufferPool } from './buffer_pool';
import type { GpuDevice } from './device';
import type { KernelCalls } from './kernel_calls';
import type { PipelineCache } from './pipelines';
import type { SubmitQueue } from './submit_queue';
import type { WeightStore } from './weight_store';

export interface Engine {
  readonly gpu: GpuDevice;
  readonly pool: BufferPool;
  readonly pipelines: PipelineCache;
  readonly calls: KernelCalls;
  readonly weights: WeightStore;
  readonly arenas: ArenaCache;
  readonly queue: SubmitQueue;
  /** Bytes of sentinels around what kernels write; 0 outside tests. */
  readonly guardBytes: number;
  /** Who is told of runs. */
  observer: RunObserver | undefined;
  /** Bytes copied to the host so far. */
  readBytes: number;
}

/** Groups of a linear grid over x and y; kernels guard against the surplus. */
export function gridOf(workgroups: number, perAxis: number): readonly [number, number] {
  if (workgroups <= perAxis) return [workgroups, 1];
  const y = Math.ceil(workgroups / perAxis);
  return [Math.ceil(workgroups / y), y];
}

/** Bytes from one dispatch's parameters to the next; the WebGPU default alignment of uniform offsets. */
export const PARAMS_STRIDE = 256;

/** Bytes of dummy bindings: one aligned slot per binding number. */
export const DUMMY_SLOT = 256;
export const DUMMY_SLOTS = 8;
