/**
 * `npm run bench -- kernels [--node]`: our kernels against onnxruntime-web's WebGPU provider in Chromium, on the real
 * adapter where there is one (`--software` forces SwiftShader). With `--node`: ours alone, through Dawn in Node.
 */
import { Autotuner } from '../../src/lib/backends/webgpu/autotune';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { dawnGpu, diskKernels } from '../kernels/node_kernels';
import { adapterFlags, inBenchPage } from './bench_page';
import { benchCases, measureEncoding, measureKernels, type KernelBench } from './kernel_cases';
import type { BenchResult } from './main';

function inChromium(software: boolean): Promise<BenchResult> {
  return inBenchPage('kernels.html', adapterFlags(software), async (page, version) => {
    await page.waitForFunction(() => 'runKernelBench' in globalThis);
    const run = () => (globalThis as unknown as { runKernelBench(): Promise<KernelBench> }).runKernelBench();
    const { rows, info } = await page.evaluate(run);
    return { rows, device: info, browser: `Chromium ${version}` };
  });
}

async function inNode(): Promise<BenchResult> {
  const backend = await WebgpuBackend.create({ gpu: await dawnGpu(), sources: diskKernels() });
  const software = /software|swiftshader|llvmpipe/i.test(`${backend.info['architecture']} ${backend.info['adapter']}`);
  // Mesa with LLVM 15 compiles attention in half precision for a minute.
  const tested = await selfTest(backend, software ? { skip: new Set(['attention-half']) } : {});
  if (!software) backend.setTuner(new Autotuner(backend, tested.tuning, tested.enabled, { browser: 'Dawn' }));
  const rows = await measureKernels(backend, undefined, benchCases(software), '');
  rows.push(await measureEncoding(backend));
  const kernels = Object.fromEntries(tested.kernels.map(({ variant, state }) => [`kernel ${variant}`, state]));
  return { rows, device: { ...backend.info, ...kernels } };
}

/** See the head of the file. */
export async function bench(words: readonly string[]): Promise<BenchResult> {
  return words.includes('--node') ? inNode() : inChromium(words.includes('--software'));
}
