/** A WebGPU backend on whatever adapter the test browser has, and golden files by name. */
import { inject } from 'vitest';
import { WebgpuBackend, type WebgpuOptions } from '../../src/lib/backends/webgpu/backend';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';

/** A fresh backend with a device of its own; dispose it. */
export function createTestBackend(options: Partial<WebgpuOptions> = {}): Promise<WebgpuBackend> {
  return WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels(), ...options });
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
