/** Compiled kernels, made once per (files, overrides) without blocking, with layouts written out from the WGSL. */
import { AppError } from '../../base/errors';
import type { GpuDevice } from './device';
import { composeKernel, type ComposedKernel, type KernelSources } from './kernel_sources';

export interface Pipeline {
  readonly kernel: ComposedKernel;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export class PipelineCache {
  readonly #gpu: GpuDevice;
  readonly #sources: KernelSources;
  readonly #kernels = new Map<string, { readonly kernel: ComposedKernel; readonly module: GPUShaderModule }>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly paramsLayout: GPUBindGroupLayout;

  constructor(gpu: GpuDevice, sources: KernelSources) {
    this.#gpu = gpu;
    this.#sources = sources;
    this.paramsLayout = gpu.device.createBindGroupLayout({
      label: 'params',
      entries: [
        { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform', hasDynamicOffset: true } },
      ],
    });
  }

  get size(): number {
    return this.#pipelines.size;
  }

  /** Key of a pipeline; equal keys share one. */
  static key(files: readonly string[], overrides: Readonly<Record<string, number>>): string {
    return `${files.join('+')} ${JSON.stringify(overrides)}`;
  }

  /** @throws AppError 'backend/compile' with the file and line of each message */
  get(files: readonly string[], overrides: Readonly<Record<string, number>>): Promise<Pipeline> {
    const key = PipelineCache.key(files, overrides);
    let made = this.#pipelines.get(key);
    if (!made) {
      made = this.#create(files, overrides, key);
      this.#pipelines.set(key, made);
      // A failure is not remembered: the device may have been short of memory.
      made.catch(() => this.#pipelines.delete(key));
    }
    return made;
  }

  async #create(files: readonly string[], overrides: Readonly<Record<string, number>>, key: string): Promise<Pipeline> {
    const { kernel, module } = this.#module(files);
    const layout = this.#layout(kernel);
    const { device } = this.#gpu;
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: key,
        layout: device.createPipelineLayout({ label: kernel.label, bindGroupLayouts: [layout, this.paramsLayout] }),
        compute: { module, entryPoint: 'main', constants: overrides },
      });
      return { kernel, pipeline, layout };
    } catch (cause) {
      this.#gpu.assertUsable();
      const messages = await compilerMessages(kernel, module);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new AppError(
        'backend/compile',
        `kernel ${kernel.label}: the device's compiler must accept it, got ${messages.join('; ') || reason}; update the browser or its drivers, or use another engine.`,
        { details: { kernel: kernel.label, overrides, messages }, cause },
      );
    }
  }

  #module(files: readonly string[]) {
    const label = files.join('+');
    let made = this.#kernels.get(label);
    if (!made) {
      const kernel = composeKernel(this.#sources, files);
      // Errors surface at the pipeline, with messages; the scope keeps them from being reported twice.
      const { result } = this.#gpu.scoped(() => this.#gpu.device.createShaderModule({ label, code: kernel.code }));
      made = { kernel, module: result };
      this.#kernels.set(label, made);
    }
    return made;
  }

  #layout(kernel: ComposedKernel): GPUBindGroupLayout {
    const key = kernel.bindings.map(({ binding, access }) => `${binding}${access}`).join(' ');
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.#gpu.device.createBindGroupLayout({
        label: key,
        entries: kernel.bindings.map(({ binding, access }) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

async function compilerMessages(kernel: ComposedKernel, module: GPUShaderModule): Promise<string[]> {
  try {
    const { messages } = await module.getCompilationInfo();
    return messages
      .filter(({ type }) => type === 'error')
      .map(({ lineNum, linePos, message }) => {
        const { file, line } = kernel.lineAt(lineNum);
        return `${file}:${line}:${linePos} ${message}`;
      });
  } catch {
    return [];
  }
}
