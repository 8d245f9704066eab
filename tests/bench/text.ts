/** Text and sampler overhead: prompt parsing and chunking, infotext, and what a sampler step costs beside its model. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readParameters, writeParameters } from '../../src/lib/infotext/parameter_fields';
import { chunkPrompt } from '../../src/lib/prompt/chunks';
import { encodePlan, preparePrompt } from '../../src/lib/prompt/plan';
import { float32Latents } from '../../src/lib/sampling/array_latents';
import { runSampler } from '../../src/lib/sampling/context';
import { discreteModel } from '../../src/lib/sampling/model_sampling';
import { getSampler, type SamplerId } from '../../src/lib/sampling/registry';
import { computeSigmas } from '../../src/lib/sampling/schedule_registry';
import { createClipTokenizer } from '../../src/lib/tokenizers/clip';
import type { BenchResult } from './main';
import type { BenchRow } from './report';
import { samplersInChromium } from './sampler_chromium';

const PROMPT_CHARACTERS = 10_000;
const INFOTEXTS = 1000;
const STEPS = 50;
/** SD 1.x at 512 pixels. */
const LATENT = 4 * 64 * 64;

/** Best of several runs: other work on the machine only ever adds time. */
async function best(runs: number, task: () => unknown): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < runs; i++) {
    const startedAt = performance.now();
    await task();
    least = Math.min(least, performance.now() - startedAt);
  }
  return least;
}

function longPrompt(): string {
  const words =
    '(masterpiece:1.2), [cat:dog:0.5], a BREAK <lora:style:0.8> red apple [x|y], ((deep)) light AND sea :0.7, ';
  return words.repeat(Math.ceil(PROMPT_CHARACTERS / words.length)).slice(0, PROMPT_CHARACTERS);
}

const INFOTEXT = `a red apple, (glossy:1.2) <lora:style:0.8>
Negative prompt: blurry, dark
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234, Size: 512x512, Model hash: d44813e722, Model: tiny, Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent, Lora hashes: "style: abcdef012345", Version: v1.10.1`;

async function samplerRow(id: SamplerId): Promise<BenchRow> {
  const model = discreteModel();
  const sampler = getSampler(id);
  const sigmas = computeSigmas({ sampler, schedule: 'karras', steps: STEPS, model });
  const noise = new Float32Array(LATENT).fill(0.5);
  const ops = float32Latents();
  const ms = await best(5, () =>
    runSampler(sampler, new Float32Array(LATENT).fill(1), sigmas, {
      ops,
      model,
      noise: () => noise,
      // A model that costs next to nothing: what is left is the sampler's own arithmetic.
      denoise: (x) => Promise.resolve({ denoised: ops.lincomb([[0.5, x]]) }),
    }),
  );
  return { name: `${sampler.label}, one step on ${LATENT} numbers`, ours: ms / STEPS, unit: 'ms' };
}

/** @param words  `--webgpu`: samplers on the WGSL path too; `--software`: on SwiftShader */
export async function bench(words: readonly string[]): Promise<BenchResult> {
  const tokenizer = createClipTokenizer(
    readFileSync(resolve(import.meta.dirname, '../../static/tokenizers/clip.txt'), 'utf8'),
  );
  const prompt = longPrompt();
  const parse = await best(50, () => encodePlan(preparePrompt(prompt, '').cleaned, { steps: 20 }));
  const { texts } = encodePlan(preparePrompt(prompt, '').cleaned, { steps: 20 });
  const [text = ''] = texts;
  const chunk = await best(50, () => chunkPrompt(text, tokenizer));
  const infotext = await best(5, () => {
    for (let i = 0; i < INFOTEXTS; i++) readParameters(INFOTEXT);
  });
  const write = await best(5, () => {
    const parameters = readParameters(INFOTEXT);
    for (let i = 0; i < INFOTEXTS; i++) writeParameters(parameters);
  });
  const rows: BenchRow[] = [
    { name: `prompt of ${PROMPT_CHARACTERS} characters: tags, schedule, AND`, ours: parse, unit: 'ms' },
    { name: `chunks of one of its ${texts.length} texts (${text.length} characters)`, ours: chunk, unit: 'ms' },
    { name: `${INFOTEXTS} infotexts read`, ours: infotext, unit: 'ms' },
    { name: `${INFOTEXTS} infotexts written`, ours: write, unit: 'ms' },
  ];
  for (const id of ['euler', 'dpmpp_2m', 'dpmpp_3m_sde', 'heun'] as const) rows.push(await samplerRow(id));
  if (!words.includes('--webgpu')) return { rows };
  const onDevice = await samplersInChromium(words.includes('--software'));
  return { rows: [...rows, ...onDevice.rows], failures: onDevice.failures };
}
