/** Linear combinations of device tensors, outside any program: samplers and guidance call it every step. */
import { AppError } from '../../base/errors';
import type { PooledBuffer } from './buffer_pool';
import { gridOf, PARAMS_STRIDE, type Engine } from './executor';
import { writeParams } from './kernel_sources';
import { recordSum } from './ops/pointwise';
import type { Pipeline } from './pipelines';
import type { KernelCall } from './recorder';
import type { GpuTensor } from './tensor';

/** Parameter slots; reused in turn. Writes are ordered with submits, so a slot may be rewritten at once. */
const SLOTS = 64;
const FILES = ['lib/index', 'lincomb'] as const;

export class LincombRunner {
  readonly #engine: Engine;
  readonly #pipeline: Pipeline;
  #params: PooledBuffer | undefined;
  #dummy: PooledBuffer | undefined;
  #slot = 0;

  private constructor(engine: Engine, pipeline: Pipeline) {
    this.#engine = engine;
    this.#pipeline = pipeline;
  }

  static async create(engine: Engine): Promise<LincombRunner> {
    return new LincombRunner(engine, await engine.pipelines.get(FILES, {}));
  }

  /** Σ coefficient · tensor into `result`. Equal tensors are merged: k·x + l·x = (k + l)·x. */
  run(terms: readonly (readonly [number, GpuTensor])[], result: GpuTensor, count: number): void {
    const merged = new Map<GpuTensor, number>();
    for (const [coefficient, tensor] of terms) {
      if (tensor.elementType !== 'f32') {
        throw new AppError('argument/invalid', 'lincomb: terms must hold f32, got i32.');
      }
      merged.set(tensor, (merged.get(tensor) ?? 0) + coefficient);
    }
    const tensors = [...merged.keys()];
    const operand = (buffer: number) => ({ buffer, offset: 0, bytes: 4 * count });
    const calls: KernelCall[] = [];
    recordSum(
      { call: (call) => calls.push(call) },
      tensors.map((tensor, i) => [merged.get(tensor) ?? 0, operand(i)] as const),
      operand(tensors.length),
      count,
    );
    const ranges = [...tensors, result].map(({ buffer, byteOffset: offset }) => ({
      buffer,
      offset,
      size: 4 * count,
    }));
    const { device, limits } = this.#engine.gpu;
    const encoder = device.createCommandEncoder({ label: 'lincomb' });
    const pass = encoder.beginComputePass({ label: 'lincomb' });
    for (const call of calls) {
      pass.setPipeline(this.#pipeline.pipeline);
      pass.setBindGroup(0, this.#bindGroup(call, ranges));
      pass.setBindGroup(1, this.#paramsGroup(), [this.#writeParams(call)]);
      pass.dispatchWorkgroups(...gridOf(call.workgroups, limits.groupsPerAxis));
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  dispose(): void {
    for (const pooled of [this.#params, this.#dummy]) if (pooled) this.#engine.pool.free(pooled);
    this.#params = undefined;
    this.#dummy = undefined;
  }

  #bindGroup(call: KernelCall, ranges: readonly GPUBufferBinding[]): GPUBindGroup {
    const { kernel, layout } = this.#pipeline;
    const usage = GPUBufferUsage.STORAGE;
    this.#dummy ??= this.#engine.pool.allocate('lincomb dummy', 256 * 8, 'fixed', usage);
    const dummy = this.#dummy.buffer;
    return this.#engine.gpu.device.createBindGroup({
      label: 'lincomb',
      layout,
      entries: kernel.bindings.map(({ name, binding }) => {
        const operand = call.bindings[name];
        const range = operand && ranges[operand.buffer];
        return { binding, resource: range ?? { buffer: dummy, offset: 256 * binding, size: 256 } };
      }),
    });
  }

  #group: GPUBindGroup | undefined;
  #paramsGroup(): GPUBindGroup {
    if (!this.#params) {
      const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
      this.#params = this.#engine.pool.allocate('lincomb params', PARAMS_STRIDE * SLOTS, 'fixed', usage);
    }
    this.#group ??= this.#engine.gpu.device.createBindGroup({
      label: 'lincomb params',
      layout: this.#engine.pipelines.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: this.#params.buffer, size: PARAMS_STRIDE } }],
    });
    return this.#group;
  }

  #writeParams(call: KernelCall): number {
    if (!this.#params) return 0;
    const offset = PARAMS_STRIDE * this.#slot;
    this.#slot = (this.#slot + 1) % SLOTS;
    const { kernel } = this.#pipeline;
    const view = new DataView(new ArrayBuffer(kernel.paramsBytes));
    writeParams(kernel, { ...call.params, groupOffset: 0 }, view, 0);
    this.#engine.gpu.device.queue.writeBuffer(this.#params.buffer, offset, view.buffer);
    return offset;
  }
}
