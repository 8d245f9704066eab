/** Single kernel calls outside any program: samplers' sums, pictures, weights on their way in. */
import { AppError } from '../../base/errors';
import type { BufferPool, PooledBuffer } from './buffer_pool';
import type { GpuDevice } from './device';
import { DUMMY_SLOT, DUMMY_SLOTS, gridOf, PARAMS_STRIDE } from './executor';
import { writeParams, type ParamValue } from './kernel_sources';
import type { Pipeline, PipelineCache } from './pipelines';

/** Parameter slots, reused in turn: no command buffer may hold more calls. */
const SLOTS = 64;

export interface SingleCall {
  readonly pipeline: Pipeline;
  readonly params: Readonly<Record<string, ParamValue>>;
  /** By binding name; absent ones are bound to a dummy range. */
  readonly bindings: Readonly<Record<string, GPUBufferBinding | undefined>>;
  readonly workgroups: number;
}

export class KernelCalls {
  readonly #gpu: GpuDevice;
  readonly #params: PooledBuffer;
  readonly #dummies: PooledBuffer;
  readonly #paramsGroup: GPUBindGroup;
  #slot = 0;

  private constructor(gpu: GpuDevice, pipelines: PipelineCache, params: PooledBuffer, dummies: PooledBuffer) {
    this.#gpu = gpu;
    this.#params = params;
    this.#dummies = dummies;
    this.#paramsGroup = gpu.device.createBindGroup({
      label: 'call params',
      layout: pipelines.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: params.buffer, size: PARAMS_STRIDE } }],
    });
  }

  /** Buffers that live as long as the pool. @throws AppError 'backend/out-of-memory' */
  static async create(gpu: GpuDevice, pool: BufferPool, pipelines: PipelineCache): Promise<KernelCalls> {
    const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const params = await pool.allocateNow('call params', PARAMS_STRIDE * SLOTS, 'fixed', uniform);
    const dummies = await pool.allocateNow('call dummies', DUMMY_SLOT * DUMMY_SLOTS, 'fixed', GPUBufferUsage.STORAGE);
    return new KernelCalls(gpu, pipelines, params, dummies);
  }

  /**
   * Records calls in one pass. Submit the encoder in the same turn: slots are written at once, and queue writes stand in
   * the order of submits.
   * @param calls at most 64: more would write over parameters that the device has yet to read
   * @throws AppError 'backend/run' for more
   */
  encode(encoder: GPUCommandEncoder, label: string, calls: readonly SingleCall[]): void {
    if (calls.length > SLOTS) {
      throw new AppError(
        'backend/run',
        `kernel calls "${label}": at most ${SLOTS} fit one command buffer, got ${calls.length}; this is a fault of the app, please report it.`,
      );
    }
    const pass = encoder.beginComputePass({ label });
    for (const call of calls) {
      pass.setPipeline(call.pipeline.pipeline);
      pass.setBindGroup(0, this.#bindGroup(call));
      pass.setBindGroup(1, this.#paramsGroup, [this.#writeParams(call)]);
      pass.dispatchWorkgroups(...gridOf(call.workgroups, this.#gpu.limits.groupsPerAxis));
    }
    pass.end();
  }

  /** Hands calls to the device at once, past the queue of programs; any number, in command buffers of as many as fit. */
  submit(label: string, calls: readonly SingleCall[]): void {
    const { device } = this.#gpu;
    for (let first = 0; first < calls.length; first += SLOTS) {
      const encoder = device.createCommandEncoder({ label });
      this.encode(encoder, label, calls.slice(first, first + SLOTS));
      device.queue.submit([encoder.finish({ label })]);
    }
  }

  #bindGroup({ pipeline: { kernel, layout }, bindings }: SingleCall): GPUBindGroup {
    // Each binding has a dummy of its own, since all are bound writable.
    const dummy = (binding: number) => ({
      buffer: this.#dummies.buffer,
      offset: DUMMY_SLOT * (binding % DUMMY_SLOTS),
      size: DUMMY_SLOT,
    });
    return this.#gpu.device.createBindGroup({
      label: kernel.label,
      layout,
      entries: kernel.bindings.map(({ name, binding }) => ({ binding, resource: bindings[name] ?? dummy(binding) })),
    });
  }

  /** @returns the slot's offset */
  #writeParams({ pipeline: { kernel }, params }: SingleCall): number {
    const offset = PARAMS_STRIDE * this.#slot;
    this.#slot = (this.#slot + 1) % SLOTS;
    const view = new DataView(new ArrayBuffer(kernel.paramsBytes));
    writeParams(kernel, { ...params, groupOffset: 0 }, view, 0);
    this.#gpu.device.queue.writeBuffer(this.#params.buffer, offset, view.buffer);
    return offset;
  }
}
