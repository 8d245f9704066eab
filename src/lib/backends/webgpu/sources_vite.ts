/** The kernels as Vite bundles them: text inside the worker's chunk, no request at run time. */
import type { KernelSources } from './kernel_sources';

const files = import.meta.glob<string>('../../../../wgsl/**/*.wgsl', { query: '?raw', import: 'default', eager: true });

/** Every kernel of `wgsl/`. */
export function bundledKernels(): KernelSources {
  return new Map(
    Object.entries(files).map(([path, text]) => [path.slice(path.indexOf('/wgsl/') + 6, -'.wgsl'.length), text]),
  );
}
