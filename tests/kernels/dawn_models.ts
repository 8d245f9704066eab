/**
 * Whole models outside browsers, through the kernels that the self-test leaves: every golden family, single calls only, and
 * the shipped model's picture in half precision and 8 bits. `npx tsx tests/kernels/dawn_models.ts [FAMILY ...]`, with the
 * Vulkan driver in `VK_ICD_FILENAMES` and the loader in `LD_LIBRARY_PATH`; `--half` takes products in half precision.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { psnr } from '../../src/companion/baseline/similarity';
import { defaultModelFiles, loadNodeModel } from '../../src/companion/node_model';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import { DEFAULT_TILE, type Tuning } from '../../src/lib/backends/webgpu/tuning';
import { generate } from '../../src/lib/pipeline/generate';
import type { PixelImage } from '../../src/lib/rpc/engine';
import { goldenGroup } from '../golden/golden_dir';
import { nodeStore } from '../golden/models/node_store';
import { OUT_OF_SCOPE } from '../golden/models/out_of_scope';
import { jobsOf, runJob } from '../golden/models/suite';
import { dawnGpu, diskKernels } from './node_kernels';
import { BASE } from '../unit/pipeline/base_request';

const words = process.argv.slice(2);
const only = words.filter((word) => !word.startsWith('--'));
const backend = await WebgpuBackend.create({ gpu: await dawnGpu(), sources: diskKernels() });
const { tuning, kernels } = await selfTest(backend, { skip: new Set(['attention-half']) });
console.log(`${backend.info['adapter']}: ${kernels.map(({ variant, state }) => `${variant} ${state}`).join(', ')}`);
const half: Tuning = {
  ...tuning,
  gemm(shape) {
    const choice = tuning.gemm(shape);
    return choice.kernel === 'tiled'
      ? { kernel: 'half', tile: { ...DEFAULT_TILE, splits: choice.tile.splits } }
      : choice;
  },
};
backend.setTuning(words.includes('--half') ? half : tuning);

async function families(): Promise<number> {
  const root = goldenGroup('models');
  if (root === undefined) return 0;
  const store = nodeStore(root);
  let failures = 0;
  for (const name of await store.familyNames()) {
    if (OUT_OF_SCOPE[name] !== undefined || (only.length > 0 && !only.includes(name))) continue;
    const begun = performance.now();
    const { jobs } = await jobsOf(store, name);
    const seen = new Set<string>();
    let worst = 0;
    const problems: string[] = [];
    for (const job of jobs) {
      const { name: caseName, inputs } = job.goldenCase;
      const isRun = Object.keys(inputs).some((input) => input.startsWith('sigmas')) || inputs['same_as'] === 'img2img';
      if (seen.has(caseName) || isRun) continue;
      seen.add(caseName);
      const outcome = await runJob(job, backend);
      worst = Math.max(worst, outcome.ratio);
      problems.push(...outcome.problems.map((problem) => `${caseName}: ${problem}`));
    }
    failures += problems.length;
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(`${name.padEnd(20)} ${seen.size} cases, worst error/limit ${worst.toPrecision(3)}, ${seconds} s`);
    for (const problem of problems) console.log(`  FAILED ${problem}`);
  }
  return failures;
}

async function picture(files: readonly string[]): Promise<PixelImage> {
  const { model, close } = await loadNodeModel([...files], backend);
  let made: PixelImage | undefined;
  await generate(
    model,
    {
      ...BASE,
      prompt: 'a red mushroom',
      steps: 8,
      cfgScale: 5,
      widthPx: 128,
      heightPx: 128,
      noiseSource: 'NV',
    },
    { onEvent: () => undefined, randomSeed: () => 0, onPicture: (image) => (made = image) },
  );
  await model.dispose();
  await close();
  if (!made) throw new Error('no picture was made');
  return made;
}

let failures = only.length === 1 && only[0] === 'default' ? 0 : await families();
const quantized = resolve(import.meta.dirname, '../../../shared/models/tiny-icons-Q8_0.gguf');
if (only.length === 0 || only.includes('default')) {
  if (!existsSync(quantized)) console.log(`skipped: ${join('shared/models', 'tiny-icons-Q8_0.gguf')} is not there`);
  else {
    const [, ...rest] = await defaultModelFiles();
    const begun = performance.now();
    const found = psnr(await picture([quantized, ...rest]), await picture(await defaultModelFiles()));
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(`shipped model, Q8_0 against half precision: ${found.toFixed(1)} dB, ${seconds} s`);
    if (!(found >= 30)) failures++;
  }
}
// Dawn keeps threads alive.
process.exit(failures > 0 ? 1 : 0);
