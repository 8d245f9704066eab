/** What samplers add to a step on WebGPU, beside a step of the built-in model: sums, noise on its way, submits. */
import clipVocabulary from '../../static/tokenizers/clip.txt?raw';
import unetUrl from '../../static/models/tiny-icons.safetensors?url';
import vaeUrl from '../../static/models/tiny-icons-ae.safetensors?url';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import { bundledKernels } from '../../src/lib/backends/webgpu/sources_vite';
import { memorySource, type ByteSource } from '../../src/lib/base/byte_source';
import { EngineService } from '../../src/lib/pipeline/engine_service';
import { deviceLatentOps } from '../../src/lib/pipeline/latents';
import { runSampler } from '../../src/lib/sampling/context';
import { discreteModel } from '../../src/lib/sampling/model_sampling';
import { getSampler, type SamplerId } from '../../src/lib/sampling/registry';
import { computeSigmas } from '../../src/lib/sampling/schedule_registry';
import { createClipTokenizer } from '../../src/lib/tokenizers/clip';
import { encodePicture } from '../../workers/engine/encode_picture';
import { BASE } from '../unit/pipeline/base_request';

const SIDE_PX = 128;
const STEPS = 20;
const ROUNDS = 5;
const SAMPLERS = ['euler', 'dpmpp_2m', 'dpmpp_3m_sde', 'heun', 'unipc'] as const satisfies readonly SamplerId[];

export interface SamplerBench {
  readonly info: Readonly<Record<string, string>>;
  /** A whole step of the model with guidance, Euler. */
  readonly stepMs: number;
  readonly sidePx: number;
  /** Per step, until the device is done. */
  readonly samplers: readonly { readonly id: SamplerId; readonly label: string; readonly ms: number }[];
  /** Guidance rescale and soft blend of one latent. */
  readonly rules: readonly { readonly name: string; readonly ms: number }[];
}

const read = async (url: string): Promise<ByteSource> =>
  memorySource(url.split('/').at(-1) ?? url, new Uint8Array(await (await fetch(url)).arrayBuffer()));

async function best(task: () => Promise<void>): Promise<number> {
  let least = Infinity;
  for (let i = 0; i <= ROUNDS; i++) {
    const begun = performance.now();
    await task();
    // The first round compiles.
    if (i > 0) least = Math.min(least, performance.now() - begun);
  }
  return least;
}

/** The sampler alone: its model is one sum. */
async function samplerMs(backend: WebgpuBackend, id: SamplerId, shape: readonly number[]): Promise<number> {
  const model = discreteModel();
  const sampler = getSampler(id);
  const sigmas = computeSigmas({ sampler, schedule: 'automatic', steps: STEPS, model });
  const count = shape.reduce((a, b) => a * b, 1);
  const noise = new Float32Array(count).fill(0.5);
  const ms = await best(async () => {
    const x = backend.upload({ shape, data: new Float32Array(count).fill(1) });
    const result = await runSampler(sampler, x, sigmas, {
      ops: deviceLatentOps(backend),
      model,
      noise: () => backend.upload({ shape, data: noise }),
      denoise: (at) => Promise.resolve({ denoised: backend.lincomb([[0.5, at]]) }),
    });
    await backend.engine.gpu.idle();
    for (const tensor of new Set([x, result])) tensor.dispose();
  });
  return ms / STEPS;
}

async function rulesMs(backend: WebgpuBackend, shape: readonly number[]) {
  const count = shape.reduce((a, b) => a * b, 1);
  const made = (size: readonly number[]) =>
    backend.upload({ shape: size, data: new Float32Array(size.reduce((a, b) => a * b, 1)).map((_, i) => Math.sin(i)) });
  const [x, cond, guided, mask] = [made(shape), made(shape), made(shape), made(shape.slice(2))];
  if (!x || !cond || !guided || !mask || count === 0) return [];
  const rules = backend.latentRules;
  const calls = {
    'guidance rescale': () => rules.rescaleGuidance({ x, cond, guided }, { share: 0.5, phi: 0.7 }),
    'soft blend': () => rules.softBlend({ init: x, painted: cond, mask }, { exponent: 0.5, power: 4 }),
  };
  const rows: { name: string; ms: number }[] = [];
  for (const [name, call] of Object.entries(calls)) {
    const ms = await best(async () => {
      for (let i = 0; i < STEPS; i++) (await call()).dispose();
      await backend.engine.gpu.idle();
    });
    rows.push({ name, ms: ms / STEPS });
  }
  for (const tensor of [x, cond, guided, mask]) tensor.dispose();
  return rows;
}

/** Two jobs of unlike length: their difference has no start, no texts and no picture. */
async function stepMs(backend: WebgpuBackend): Promise<number> {
  const files = [await read(unetUrl), await read(vaeUrl)];
  const service = new EngineService({
    createBackend: () => Promise.resolve({ backend, reason: 'start' }),
    openFiles: () => Promise.resolve({ id: 'tiny', name: 'tiny', sha256: 'tiny', sources: files }),
    tokenizers: () => Promise.resolve({ clip: createClipTokenizer(clipVocabulary) }),
    encodePicture,
    randomSeed: () => 1,
    isolated: false,
  });
  await service.start({ backend: 'webgpu', threads: 1, baseUrl: '' });
  await service.openModel({ kind: 'builtin', id: 'tiny' }, () => undefined);
  let jobs = 0;
  const timed = async (steps: number) => {
    const request = {
      ...BASE,
      modelId: 'tiny',
      steps,
      cfgScale: 4,
      sampler: 'Euler',
      widthPx: SIDE_PX,
      heightPx: SIDE_PX,
    };
    const begun = performance.now();
    await service.generate(`job ${++jobs}`, request, () => undefined, 'queue');
    return performance.now() - begun;
  };
  await timed(1);
  const [few, many] = [await timed(2), await timed(6)];
  return (many - few) / 4;
}

async function benchSamplers(): Promise<SamplerBench> {
  const backend = await WebgpuBackend.create({ gpu: browserGpu(), sources: bundledKernels() });
  const shape = [1, 4, SIDE_PX / 8, SIDE_PX / 8];
  const samplers: SamplerBench['samplers'][number][] = [];
  for (const id of SAMPLERS) {
    samplers.push({ id, label: getSampler(id).label, ms: await samplerMs(backend, id, shape) });
  }
  const rules = await rulesMs(backend, shape);
  console.info('samplers: done; now steps of the model');
  return { info: backend.info, samplers, rules, sidePx: SIDE_PX, stepMs: await stepMs(backend) };
}

Object.assign(globalThis, { benchSamplers });
