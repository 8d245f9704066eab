/**
 * The order of a generation: settings → prompt → noise → denoise → decode → metadata. The only place that knows it.
 * The same function serves the page's worker, the command line and the companion.
 */
import type { HostTensor } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import type { HostArray } from '../models/family';
import type { GeneratedImage, GenerateRequest, JobEvent, JobResult, PixelImage } from '../rpc/engine';
import { ImageNoise, seedTable } from '../sampling/noise/image_noise';
import { computeSigmas } from '../sampling/schedule_registry';
import { decodeLatent, encodeImage } from './autoencoder';
import { ConditionPlan } from './conditions';
import { JobClock } from './job_clock';
import { jobSettings, type JobSettings } from './job_settings';
import type { LoadedModel } from './loaded_model';
import { describeImage } from './metadata';
import { modelSampling } from './model_sampling';
import { preparePrompt } from '../prompt/plan';
import { fitImage } from './fit_image';
import { linearPreview, sampleBatch, StepClock } from './sample_batch';

/** What a generation needs from its surroundings. */
export interface GenerateHost {
  readonly onEvent: (event: JobEvent) => void;
  readonly signal?: AbortSignal;
  /** PNG bytes of a picture with the text as its `parameters`. */
  encodePng(image: PixelImage, infotext: string): Promise<Blob>;
  /** 0..2^32 - 1. */
  randomSeed(): number;
  /** Start noise in place of the seed's, `[batch, C, h, w]`; to compare with other engines. */
  readonly startNoise?: HostTensor;
  /** Sees the final latents before they are decoded. */
  readonly onLatents?: (latents: HostTensor, batch: number) => void;
}

/**
 * Runs one request to its end.
 * @throws AppError 'argument/invalid', 'sampler/…', 'model/…', 'backend/…', 'job/cancelled' (only when nothing exists
 * yet), 'job/superseded'
 */
export async function generate(model: LoadedModel, request: GenerateRequest, host: GenerateHost): Promise<JobResult> {
  const clock = new JobClock();
  const settings = jobSettings(request, model.detected, () => host.randomSeed());
  for (const message of settings.notices) host.onEvent({ kind: 'notice', code: 'settings', message });
  const images: GeneratedImage[] = [];
  let interrupted = false;
  try {
    clock.enter('encode');
    host.onEvent({ kind: 'stage', stage: 'encode', batch: 0, batches: request.batchCount });
    const run = await prepareRun(model, settings, host);
    for (let batch = 0; batch < request.batchCount && !interrupted; batch++) {
      if (batch > 0 && host.signal?.aborted) throwIfAborted(host.signal);
      clock.enter('denoise');
      const sampled = await denoiseBatch(model, settings, run, batch, host);
      interrupted = sampled.interrupted;
      host.onLatents?.(sampled.latents, batch);
      clock.enter('decode');
      host.onEvent({ kind: 'stage', stage: 'decode', batch, batches: request.batchCount });
      for (let i = 0; i < request.batchSize; i++) {
        const index = batch * request.batchSize + i;
        const pixels = await decodeLatent(model, pick(sampled.latents, i), { tiling: request.tiling === true });
        const { seed, infotext } = describeImage(model, settings, index);
        const png = await host.encodePng(pixels, infotext);
        const image = { index, widthPx: pixels.widthPx, heightPx: pixels.heightPx, seed, infotext, png };
        images.push(image);
        host.onEvent({ kind: 'image', image });
      }
    }
  } catch (error) {
    const stopped = error instanceof AppError && error.code === 'job/cancelled';
    if (!stopped || images.length === 0) throw error;
    interrupted = true;
  } finally {
    clock.stop();
  }
  return { images, times: clock.times, peakBytes: model.peakBytes, interrupted };
}

interface PreparedRun {
  readonly conditions: ConditionPlan;
  readonly sigmas: readonly number[];
  readonly extra: Readonly<Record<string, HostArray>>;
  /** The encoded start picture, `[1, C, h, w]`. */
  readonly init?: HostTensor;
}

async function prepareRun(model: LoadedModel, settings: JobSettings, host: GenerateHost): Promise<PreparedRun> {
  const { request, sampler } = settings;
  const sampling = samplingOf(model, request);
  const prompts = preparePrompt(request.prompt, request.negativePrompt);
  const conditions = await ConditionPlan.encode(
    model,
    { prompt: prompts.cleaned, negative: prompts.styledNegative, steps: request.steps * (sampler.secondOrder ? 2 : 1) },
    { clipSkip: request.clipSkip, emphasis: request.emphasis ?? 'Original', signal: host.signal },
  );
  const all = computeSigmas({ sampler, schedule: settings.schedule, steps: request.steps, model: sampling });
  const extra = sizeInputs(model, request);
  if (!request.init) return { conditions, sigmas: all, extra };
  const fitted = fitImage(request.init.image, request.widthPx, request.heightPx, request.init.resizeMode);
  const init = await encodeImage(model, fitted, { tiling: request.tiling === true, signal: host.signal });
  return { conditions, sigmas: img2imgSigmas(all, request.init.strength), extra, init };
}

async function denoiseBatch(
  model: LoadedModel,
  settings: JobSettings,
  run: PreparedRun,
  batch: number,
  host: GenerateHost,
): Promise<{ latents: HostTensor; interrupted: boolean }> {
  const { request } = settings;
  const { batchSize: size, batchCount: batches } = request;
  const { channels, stride } = model.detected.latent;
  const shape = [channels, request.heightPx / stride, request.widthPx / stride] as const;
  const varied = (request.variation?.strength ?? 0) > 0;
  const table = seedTable({
    // A variation keeps the seed for the whole job and counts its own seed up.
    seed: settings.seed + (varied ? 0 : batch * size),
    subseed: request.variation ? request.variation.seed + batch * size : 0,
    subseedStrength: request.variation?.strength ?? 0,
    count: size,
  });
  const noise = new ImageNoise({
    kind: request.noiseSource === 'CPU' ? 'cpu' : 'nv',
    shape,
    seeds: table.seeds,
    ...(request.variation ? { subseeds: table.subseeds, subseedStrength: request.variation.strength } : {}),
    ...(request.seedResize
      ? { seedResizeWidth: request.seedResize.widthPx, seedResizeHeight: request.seedResize.heightPx }
      : {}),
    latentStride: stride,
  });
  const first = noise.next();
  const sampling = samplingOf(model, request);
  const start = startLatent(sampling.startCoefficients(run.sigmas[0] ?? 0), host.startNoise?.data ?? first, run.init, [
    size,
    ...shape,
  ]);
  const steps = run.sigmas.length - 1;
  const stepClock = new StepClock();
  host.onEvent({ kind: 'stage', stage: 'denoise', batch, batches });
  return sampleBatch({
    model,
    sampling,
    sampler: settings.sampler,
    samplerOptions: settings.samplerOptions,
    sigmas: run.sigmas,
    conditions: run.conditions,
    cfgScale: request.cfgScale,
    tiling: request.tiling === true,
    extra: run.extra,
    start,
    noise: () => noise.next(),
    signal: host.signal,
    async onStep({ i, denoised }) {
      const time = stepClock.tick(i + 1, steps);
      const wanted = request.previewEvery > 0 && (i + 1) % request.previewEvery === 0 && i + 1 < steps;
      const preview = wanted ? await previewOf(model, await model.backend.download(denoised), request) : undefined;
      host.onEvent({ kind: 'step', step: i + 1, steps, batch, batches, ...time, ...(preview ? { preview } : {}) });
    },
  });
}

/** The first picture of a batch while it is made: linear where the family knows how, else its tiny decoder. */
async function previewOf(
  model: LoadedModel,
  denoised: HostTensor,
  request: GenerateRequest,
): Promise<PixelImage | undefined> {
  const { preview } = model.detected.latent;
  const one = pick(denoised, 0);
  if (!one.data.every(Number.isFinite)) return undefined;
  if (model.detected.vae?.architecture === 'tiny-vae') {
    return decodeLatent(model, one, { tiling: request.tiling === true });
  }
  return preview ? linearPreview(one, preview) : undefined;
}

function samplingOf(model: LoadedModel, request: GenerateRequest) {
  const { stride } = model.detected.latent;
  // FLUX-like shifts count 2x2 patches of latent cells.
  const tokens = Math.ceil(request.widthPx / stride / 2) * Math.ceil(request.heightPx / stride / 2);
  return modelSampling(model.detected, {
    tokens,
    steps: request.steps,
    timestepRule: request.timestepRule ?? 'nearest',
  });
}

/** Numbers about size and guidance that some denoisers take. */
function sizeInputs(model: LoadedModel, request: GenerateRequest): Record<string, HostArray> {
  const { inputs, defaults } = model.detected;
  const extra: Record<string, HostArray> = {};
  if (inputs.includes('timeIds')) {
    const { widthPx: w, heightPx: h } = request;
    extra['timeIds'] = { shape: [1, 6], data: Float32Array.of(h, w, 0, 0, h, w) };
  }
  if (inputs.includes('guidance')) {
    const guidance = request.distilledGuidance ?? defaults.distilledGuidance ?? 3.5;
    extra['guidance'] = { shape: [1], data: Float32Array.of(guidance) };
  }
  return extra;
}

/**
 * The noise levels of img2img: strength decides how many of the last steps run, `int(strength · steps) + 1` of them.
 * Source: A1111 modules/sd_samplers_common.py setup_img2img_steps, without "exact steps".
 */
export function img2imgSigmas(sigmas: readonly number[], strength: number): readonly number[] {
  const steps = sigmas.length - 1;
  const encoded = Math.floor(Math.min(strength, 0.999) * steps);
  return sigmas.slice(Math.max(0, steps - encoded - 1));
}

/** start = noise coefficient · noise + latent coefficient · clean latent, for every picture. */
function startLatent(
  coefficients: { readonly noise: number; readonly latent: number },
  noise: ArrayLike<number>,
  init: HostTensor | undefined,
  shape: readonly number[],
): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  if (noise.length !== count) {
    throw new AppError(
      'argument/invalid',
      `start noise: must have ${count} values ([${shape.join(', ')}]), got ${noise.length}.`,
    );
  }
  const data = new Float32Array(count);
  const plane = init?.data.length ?? 1;
  for (let i = 0; i < count; i++) {
    data[i] = coefficients.noise * (noise[i] ?? 0) + (init ? coefficients.latent * (init.data[i % plane] ?? 0) : 0);
  }
  return { shape, data };
}

/** Picture `index` of a batch. */
function pick(latents: HostTensor, index: number): HostTensor {
  const [, ...rest] = latents.shape;
  const count = rest.reduce((a, b) => a * b, 1);
  return { shape: [1, ...rest], data: latents.data.slice(index * count, (index + 1) * count) };
}
