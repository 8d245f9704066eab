/** Linear combinations of device tensors, outside any program: samplers and guidance call it every step. */
import { AppError } from '../../base/errors';
import type { KernelCalls } from './kernel_calls';
import { recordSum } from './ops/pointwise';
import type { Pipeline, PipelineCache } from './pipelines';
import type { KernelCall } from './op_context';
import type { GpuTensor } from './tensor';

export class LincombRunner {
  readonly #calls: KernelCalls;
  readonly #pipeline: Pipeline;

  private constructor(calls: KernelCalls, pipeline: Pipeline) {
    this.#calls = calls;
    this.#pipeline = pipeline;
  }

  static async create(calls: KernelCalls, pipelines: PipelineCache): Promise<LincombRunner> {
    return new LincombRunner(calls, await pipelines.get(['lib/index', 'lincomb'], {}));
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
    const recorded: KernelCall[] = [];
    recordSum(
      { call: (call) => recorded.push(call) },
      tensors.map((tensor, i) => [merged.get(tensor) ?? 0, operand(i)] as const),
      operand(tensors.length),
      count,
    );
    const ranges = [...tensors, result].map(({ buffer, byteOffset: offset }) => ({ buffer, offset, size: 4 * count }));
    const calls = recorded.map(({ bindings, params, workgroups }) => ({
      pipeline: this.#pipeline,
      params,
      workgroups,
      bindings: Object.fromEntries(
        Object.entries(bindings).map(([name, bound]) => [name, bound && ranges[bound.buffer]]),
      ),
    }));
    this.#calls.submit('lincomb', calls);
  }
}
