/** Buffers that a program keeps while it lives: weights, constants, parameters, dummies. */
import { throwIfAborted } from '../../base/abort';
import { namedWeight } from '../../graph/load_weight';
import type { WeightMap } from '../../graph/weights';
import type { CompileOptions } from '../backend';
import { bufferBytes, type PooledBuffer } from './buffer_pool';
import { DUMMY_SLOT, DUMMY_SLOTS, PARAMS_STRIDE, type Engine } from './executor';
import { writeParams } from './kernel_sources';
import type { Pipeline } from './pipelines';
import type { BufferId, DispatchPlan, ProgramPlan } from './plan_types';
import { Streamer } from './streamer';
import type { WeightLease } from './weight_store';
import { planStream, STREAM_SLOTS, type StreamPlan } from './weight_stream';
import { alignUp, OFFSET_ALIGNMENT } from './weights/weight_plan';

/** A range of a real buffer. */
export interface Range {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** Where constants lie in the one buffer that holds them behind the dummies. */
function constantOffsets(plan: ProgramPlan): {
  readonly offsets: ReadonlyMap<BufferId, number>;
  readonly bytes: number;
} {
  const offsets = new Map<BufferId, number>();
  let bytes = DUMMY_SLOT * DUMMY_SLOTS;
  for (const [id, buffer] of plan.buffers.entries()) {
    if (buffer.kind !== 'resident') continue;
    offsets.set(id, bytes);
    bytes = alignUp(bytes + Math.max(16, buffer.bytes), OFFSET_ALIGNMENT);
  }
  return { offsets, bytes };
}

/** Exact bytes that `Residents` holds for a plan besides weights: constants, parameters, slots. */
export function ownBytes(plan: ProgramPlan, stream: StreamPlan | undefined): number {
  const constants = bufferBytes(constantOffsets(plan).bytes);
  const params = bufferBytes(PARAMS_STRIDE * Math.max(1, plan.dispatches.length));
  return constants + params + (stream ? STREAM_SLOTS * bufferBytes(stream.slotBytes) : 0);
}

/** How weights pass through where they may take `budgetBytes`, constants and parameters of dispatches included. */
export function streamWithin(plan: ProgramPlan, budgetBytes: number | undefined): StreamPlan | undefined {
  return budgetBytes === undefined ? undefined : planStream(plan, budgetBytes - ownBytes(plan, undefined));
}

/** Weights that stay on the device: whole ones, since programs share them. */
export function stayingWeights(plan: ProgramPlan, stream: StreamPlan | undefined): ReadonlySet<number> {
  const staying = new Set<number>();
  for (const [id, buffer] of plan.buffers.entries()) {
    if (buffer.kind === 'weight' && !stream?.streamed.has(id)) staying.add(buffer.weight);
  }
  return staying;
}

/** Exact bytes that `Residents` holds for a plan. */
export function residentBytes(plan: ProgramPlan, stream?: StreamPlan): number {
  const staying = stayingWeights(plan, stream);
  let bytes = ownBytes(plan, stream);
  for (const buffer of plan.buffers) {
    if (buffer.kind === 'weight' && staying.has(buffer.weight)) bytes += bufferBytes(buffer.bytes);
  }
  return bytes;
}

interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: CompileOptions['onProgress'] | undefined;
  readonly stream: StreamPlan | undefined;
}

export class Residents {
  readonly #engine: Engine;
  readonly #leases: WeightLease[] = [];
  readonly #own: PooledBuffer[] = [];
  readonly #ranges = new Map<BufferId, Range>();
  #params: PooledBuffer | undefined;
  #constants: PooledBuffer | undefined;
  #streamer: Streamer | undefined;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Loads everything. @throws AppError; nothing is left allocated then */
  static async load(
    engine: Engine,
    plan: ProgramPlan,
    pipelines: readonly Pipeline[],
    weights: WeightMap,
    { signal, onProgress, stream }: LoadOptions,
  ): Promise<Residents> {
    const residents = new Residents(engine);
    try {
      if (stream) residents.#streamer = new Streamer(engine, plan, stream, weights);
      residents.#loadConstants(plan);
      residents.#writeParams(plan.dispatches, pipelines);
      await residents.#loadWeights(plan, weights, { signal, onProgress, stream });
      await engine.pool.settle();
      throwIfAborted(signal);
      return residents;
    } catch (error) {
      residents.dispose();
      throw error;
    }
  }

  get params(): GPUBuffer | undefined {
    return this.#params?.buffer;
  }

  /** The range behind an absent binding: of its own, since all are bound writable. */
  dummy(binding: number): Range | undefined {
    return this.#constants && { buffer: this.#constants.buffer, offset: DUMMY_SLOT * (binding % DUMMY_SLOTS) };
  }

  /** @param dispatch the one that binds it: streamed weights lie where their group's slot is */
  range(id: BufferId, dispatch: number): Range | undefined {
    return this.#ranges.get(id) ?? this.#streamer?.range(id, dispatch);
  }

  /** Weights that stay, shared with other programs. */
  get weightBuffers(): readonly PooledBuffer[] {
    return this.#leases.flatMap(({ buffers }) => buffers);
  }

  get streamer(): Streamer | undefined {
    return this.#streamer;
  }

  #loadConstants(plan: ProgramPlan): void {
    const { offsets, bytes } = constantOffsets(plan);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const pooled = this.#engine.pool.allocate(`${plan.graph.name} constants`, bytes, 'weights', usage);
    this.#own.push(pooled);
    this.#constants = pooled;
    for (const [id, offset] of offsets) {
      const buffer = plan.buffers[id];
      if (buffer?.kind !== 'resident') continue;
      const { data } = buffer;
      this.#engine.gpu.device.queue.writeBuffer(pooled.buffer, offset, data.slice());
      this.#ranges.set(id, { buffer: pooled.buffer, offset });
    }
  }

  #writeParams(dispatches: readonly DispatchPlan[], pipelines: readonly Pipeline[]): void {
    const bytes = PARAMS_STRIDE * Math.max(1, dispatches.length);
    const view = new DataView(new ArrayBuffer(bytes));
    for (const [i, { params }] of dispatches.entries()) {
      const kernel = pipelines[i]?.kernel;
      if (kernel) writeParams(kernel, params, view, PARAMS_STRIDE * i);
    }
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#params = this.#engine.pool.allocate('params', bytes, 'weights', usage);
    this.#own.push(this.#params);
    this.#engine.gpu.device.queue.writeBuffer(this.#params.buffer, 0, view.buffer);
  }

  async #loadWeights(plan: ProgramPlan, weights: WeightMap, options: LoadOptions): Promise<void> {
    const { signal, onProgress, stream } = options;
    const staying = stayingWeights(plan, stream);
    let total = 0;
    for (const index of staying) total += plan.weights[index]?.plan.bytes ?? 0;
    let done = 0;
    for (const [index, planned] of plan.weights.entries()) {
      if (!staying.has(index)) continue;
      throwIfAborted(signal);
      const lease = await this.#engine.weights.acquire(planned, namedWeight(weights, planned.plan.name), signal);
      this.#leases.push(lease);
      for (const [id, buffer] of plan.buffers.entries()) {
        if (buffer.kind !== 'weight' || buffer.weight !== index) continue;
        const made = lease.buffers[buffer.part];
        if (made) this.#ranges.set(id, { buffer: made.buffer, offset: 0 });
      }
      // Allocation failures stop a load early, before gigabytes are read.
      if (index % 16 === 15) await this.#engine.pool.settle();
      done += planned.plan.bytes;
      onProgress?.(done, total);
    }
  }

  dispose(): void {
    this.#streamer?.dispose();
    for (const lease of this.#leases) lease.release();
    for (const pooled of this.#own) this.#engine.pool.free(pooled);
    this.#leases.length = 0;
    this.#own.length = 0;
    this.#ranges.clear();
  }
}
