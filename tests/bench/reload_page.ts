/** The half of the reload bench that runs in a page: a denoiser of about 4 GB from a file that the user chose. */
import { blobSource } from '../../src/lib/base/byte_source';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { trueSizeById } from '../../src/lib/models/true_sizes';
import { denoiserGraph } from '../../src/lib/pipeline/fit_stages';
import { defineGpuConstants, NullGpu } from '../unit/backends/webgpu/null_gpu';
import { placed } from './placed_part';

/** Loads it onto a device that counts bytes and computes nothing: what is looked at is the page's own heap. */
async function loadFile(): Promise<{ readonly ms: number; readonly deviceBytes: number; readonly written: number }> {
  const file = document.querySelector('input')?.files?.[0];
  const size = trueSizeById('klein');
  if (!file || !size) throw new Error('no file was chosen');
  defineGpuConstants();
  const device = new NullGpu();
  const tuning = { ...plainTuning, deviceRepack: true };
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources: bundledKernels(), tuning });
  const bare = syntheticModel(size, 'Q8_0');
  const model = { ...bare, denoiser: placed(bare.denoiser, blobSource('klein', file), { offset: 0 }) };
  const spec = { widthPx: 512, heightPx: 512, batch: 1, promptTokens: 128 };
  const { graph, weights } = denoiserGraph(model, spec, 1);
  const begun = performance.now();
  const program = await backend.compile(graph, weights);
  const ms = performance.now() - begun;
  const deviceBytes = backend.memory().weightsBytes;
  await program.dispose();
  await backend.dispose();
  return { ms, deviceBytes, written: device.writtenBytes };
}

Object.assign(globalThis, { loadFile });
