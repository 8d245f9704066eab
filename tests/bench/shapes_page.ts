/** The half of the shapes bench that runs in a page: single blocks on the browser's adapter. */
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import { trueSizeById } from '../../src/lib/models/true_sizes';
import type { QuantTypeId } from '../../src/lib/quant/registry';
import { measureBlocks } from './blocks';
import type { KernelBench } from './kernel_timing';

async function runBlocks(id: string, type: QuantTypeId, sidePx: number): Promise<KernelBench> {
  const size = trueSizeById(id);
  if (!size) throw new Error(id);
  const backend = await WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels() });
  await selfTest(backend);
  const rows = await measureBlocks(backend, size, type, sidePx);
  const { info } = backend;
  await backend.dispose();
  return { rows, info };
}

Object.assign(globalThis, { runBlocks });
