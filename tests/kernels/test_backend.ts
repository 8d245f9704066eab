/** A WebGPU backend on whatever adapter the test browser has, and golden files by name. */
import { inject } from 'vitest';
import { WebgpuBackend, type WebgpuOptions } from '../../src/lib/backends/webgpu/backend';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { recordProgram } from '../../src/lib/backends/webgpu/recorder';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import type { Tuning } from '../../src/lib/backends/webgpu/tuning';
import type { Graph } from '../../src/lib/graph/ir';
import { optimize } from '../../src/lib/graph/passes/optimize';
import type { WeightMap } from '../../src/lib/graph/weights';
import { sharedGpu } from './shared_gpu';

/** A fresh backend; dispose it. On the shared device, unless `gpu` or the wanted features say otherwise. */
export function createTestBackend(options: Partial<WebgpuOptions> = {}): Promise<WebgpuBackend> {
  const gpu = options.withoutFeatures ? browserGpu() : sharedGpu();
  return WebgpuBackend.create({ gpu, sources: bundledKernels(), ...options });
}

/**
 * Compiles the kernels of programs that will follow, all at once: a software adapter compiles one on one core, and tests
 * that come one after another would leave the others idle.
 */
export async function compileAhead(
  { engine }: WebgpuBackend,
  programs: readonly { readonly graph: Graph; readonly weights: WeightMap; readonly tuning: Tuning }[],
): Promise<void> {
  const { maxBindingBytes } = engine.gpu.limits;
  await Promise.all(
    programs.flatMap(({ graph, weights, tuning }) => {
      const { dispatches } = recordProgram(optimize(graph), weights, { maxBindingBytes, dispatchFlops: 1e10, tuning });
      return dispatches.map(({ kernel, overrides }) => engine.pipelines.get(kernel, overrides));
    }),
  );
}

/** A file of the golden folder, or undefined when the folder does not have it. `path` such as `quant/index.json`. */
export async function goldenFile(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const response = await fetch(`/@fs${inject('goldenDir')}/${path}?raw-bytes`);
  // The dev server answers unknown paths with its own page.
  if (!response.ok || (response.headers.get('content-type') ?? '').includes('text/html')) return undefined;
  return new Uint8Array(await response.arrayBuffer());
}

/** A JSON file of the golden folder. */
export async function goldenJson<T>(path: string): Promise<T | undefined> {
  const bytes = await goldenFile(path);
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as T);
}
