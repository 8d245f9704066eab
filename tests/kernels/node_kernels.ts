/** Kernels from disk and Dawn as the GPU, for Node: quick runs and benches. Tests proper run in Chromium. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { KernelSources } from '../../src/lib/backends/webgpu/kernel_sources';

const root = resolve(import.meta.dirname, '../..');

/** Every kernel of `wgsl/`, read from disk. */
export function diskKernels(folder = join(root, 'wgsl')): KernelSources {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.wgsl'));
  return new Map(
    files.map((name) => {
      const path = join(folder, name);
      return [relative(folder, path).replaceAll('\\', '/').slice(0, -'.wgsl'.length), readFileSync(path, 'utf8')];
    }),
  );
}

/** Chromium's software adapter. The Vulkan loader is found through LD_LIBRARY_PATH, which must be set before Node. */
const SOFTWARE_DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Dawn's `GPU`, or undefined where the `webgpu` package or a Vulkan driver is missing. Sets the WebGPU constants as
 * globals. Run with `LD_LIBRARY_PATH=/usr/lib/chromium` to use the software adapter; end with `process.exit`.
 */
export async function dawnGpu(): Promise<GPU | undefined> {
  if (!process.env['VK_ICD_FILENAMES'] && existsSync(SOFTWARE_DRIVER))
    process.env['VK_ICD_FILENAMES'] = SOFTWARE_DRIVER;
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    return create([]);
  } catch {
    return undefined;
  }
}
