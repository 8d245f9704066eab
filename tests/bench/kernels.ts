/**
 * `npm run bench -- kernels [--node] [--only WORD]`: our kernels against onnxruntime-web's WebGPU provider in Chromium, on the real
 * adapter where there is one (`--software` forces SwiftShader). With `--node`: ours alone, through Dawn in Node.
 */
import { Autotuner } from '../../src/lib/backends/webgpu/autotune';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { softwareTuning } from '../../src/lib/backends/webgpu/tuning';
import { dawnGpu, diskKernels } from '../kernels/node_kernels';
import { adapterFlags, inBenchPage } from './bench_page';
import { aimsTable, aimVerdicts } from './aims';
import { benchCases } from './kernel_cases';
import { asItIs, chosen, measureEncoding, measureKernels, NOTHING, type KernelBench } from './kernel_timing';
import { planAimRows } from './plan_aims';
import type { BenchResult } from './main';

const SOFTWARE = /software|swiftshader|llvmpipe/i;

function inChromium(software: boolean, only: string): Promise<BenchResult> {
  return inBenchPage('kernels.html', adapterFlags(software), async (page, version) => {
    await page.waitForFunction(() => 'runKernelBench' in globalThis);
    const run = (word: string) =>
      (globalThis as unknown as { runKernelBench(only: string): Promise<KernelBench> }).runKernelBench(word);
    const { rows, info } = await page.evaluate(run, only);
    return { rows, device: info, browser: `Chromium ${version}` };
  });
}

async function inNode(only: string): Promise<BenchResult> {
  const backend = await WebgpuBackend.create({ gpu: await dawnGpu(), sources: diskKernels() });
  const software = SOFTWARE.test(`${backend.info['architecture']} ${backend.info['adapter']}`);
  // Mesa with LLVM 15 compiles attention in half precision for a minute.
  const tested = await selfTest(backend, software ? { skip: new Set(['attention-half']) } : {});
  if (!software) backend.setTuner(new Autotuner(backend, tested.tuning, tested.enabled, { browser: 'Dawn' }));
  const contenders = software
    ? [chosen(backend, 'plain', softwareTuning), chosen(backend, 'by shape', tested.tuning)]
    : [asItIs(backend, 'measured')];
  const rows = await measureKernels(contenders, undefined, [
    NOTHING,
    ...benchCases(software).filter(({ name }) => name.includes(only)),
  ]);
  rows.push(await measureEncoding(backend));
  const kernels = Object.fromEntries(tested.kernels.map(({ variant, state }) => [`kernel ${variant}`, state]));
  return { rows, device: { ...backend.info, ...kernels } };
}

/** See the head of the file. The aims, with what decides each, stand behind the table. */
export async function bench(words: readonly string[]): Promise<BenchResult> {
  const onlyAt = words.indexOf('--only');
  const only = onlyAt < 0 ? '' : (words[onlyAt + 1] ?? '');
  const run = words.includes('--node') ? await inNode(only) : await inChromium(words.includes('--software'), only);
  const rows = [...run.rows, ...planAimRows()];
  const software = SOFTWARE.test(Object.values(run.device ?? {}).join(' '));
  const aims = aimVerdicts(rows, software ? 'a software adapter, which says nothing about graphics cards' : '');
  return { ...run, rows, summary: { table: aimsTable(aims), data: aims } };
}
