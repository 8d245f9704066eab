/** One sampling from its noise levels to its latents: first pass, img2img or the hires pass. */
import type { HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { HookRunner } from '../extensions/api';
import type { HookLatent, SamplingPass } from '../extensions/hooks';
import type { GenerateRequest, JobEvent } from '../rpc/engine';
import { combineGuidance, type CombineGuidance } from '../sampling/guidance/combine_method';
import { resolveGuidance } from '../sampling/guidance/methods';
import { firstRefinerCall, img2imgSigmas, img2imgSteps, img2imgTimesteps, totalCalls } from '../sampling/img2img/steps';
import type { ModelSampling } from '../sampling/model_sampling';
import type { SigmaRange } from '../sampling/sampler';
import { computeSigmas, timestepGrid } from '../sampling/schedule_registry';
import type { HiresSettings } from './job_settings';
import type { MaskBlend } from './mask_blend';
import type { JobNoise } from './noise_source';
import { previewOf } from './preview';
import {
  hookConditions,
  hookLatent,
  sampleBatch,
  StepClock,
  type DenoiserSetup,
  type SampledBatch,
} from './sample_batch';

export interface PassOptions extends DenoiserSetup {
  readonly pass: SamplingPass;
  readonly request: GenerateRequest;
  /** Sampler and schedule of this pass. */
  readonly names: HiresSettings;
  readonly steps: number;
  readonly cfgScale: number;
  readonly shape: readonly [batch: number, channels: number, height: number, width: number];
  readonly noise: JobNoise;
  /** Clean latents to start from, `[1 or batch, C, h, w]`, and how much of them is redrawn. */
  readonly init?: { readonly latents: HostTensor; readonly strength: number; readonly exact: boolean } | undefined;
  readonly mask?: Pick<MaskBlend, 'mask' | 'init' | 'soft'> | undefined;
  readonly refiner?: { readonly switchAt: number; readonly open: () => Promise<DenoiserSetup> } | undefined;
  readonly startNoise?: HostTensor | undefined;
  readonly hooks: HookRunner;
  readonly signal: AbortSignal | undefined;
  readonly batch: number;
  readonly onEvent: (event: JobEvent) => void;
  readonly betweenSteps?: ((signal?: AbortSignal) => Promise<void>) | undefined;
}

/** Levels of a run and the coefficients of its start. */
interface Levels {
  readonly sigmas: readonly number[];
  readonly range: SigmaRange;
  readonly start: { readonly noise: number; readonly latent: number };
}

/** @throws AppError as `sampleBatch`, and 'argument/invalid' for start noise of another shape */
export async function runPass(options: PassOptions): Promise<SampledBatch> {
  const { request, names, noise, init, shape, hooks, batch, model, sampling } = options;
  const levels = levelsOf(options, sampling);
  const first = noise.next();
  if (!levels) return { latents: spread(init?.latents, shape), interrupted: false };
  const { sigmas, range } = levels;
  const steps = sigmas.length - 1;
  const multiplier = init ? (request.init?.noiseMultiplier ?? 1) : 1;
  const unit: HookLatent = { shape, data: startNoise(options.startNoise, first, shape) };
  const start = startLatent(levels.start, { ...unit, multiplier }, init?.latents);
  const conditions = hookConditions(options.conditions.at(1));
  const told = await hooks.emit('beforeSampling', { pass: options.pass, noise: unit, conditions, start });
  const begun = await addExtraNoise(options, told.start, unit);
  const calls = totalCalls(steps, names.sampler.secondOrder === true);
  const { refiner } = options;
  const fromCall =
    refiner && firstRefinerCall({ steps, switchAt: refiner.switchAt, secondOrder: names.sampler.secondOrder === true });
  const clock = new StepClock();
  return sampleBatch({
    model,
    sampling,
    conditions: options.conditions,
    extra: options.extra,
    control: options.control,
    sampler: names.sampler,
    samplerOptions: names.samplerOptions,
    sigmas,
    range,
    cfgScale: options.cfgScale,
    cfgRescale: request.cfgRescale,
    guidance: request.guidance,
    combine: guidanceOf(request),
    totalCalls: calls,
    tiling: request.tiling === true,
    start: { shape, data: Float32Array.from(begun.data) },
    noise: (sigma, next) => noise.between(sigma, next, range),
    mask: options.mask && { ...options.mask, noise: () => noise.forMask() },
    refiner: refiner && fromCall !== undefined ? { fromCall, open: () => refiner.open() } : undefined,
    hooks,
    signal: options.signal,
    async onStep({ i, denoised }) {
      const time = clock.tick(i + 1, steps);
      const wanted = request.previewEvery > 0 && (i + 1) % request.previewEvery === 0 && i + 1 < steps;
      const preview = wanted ? await previewOf(model, denoised, request.tiling === true) : undefined;
      options.onEvent({
        kind: 'step',
        step: i + 1,
        steps,
        batch,
        batches: request.batchCount,
        ...time,
        ...(preview ? { preview } : {}),
      });
      await options.betweenSteps?.(options.signal);
    },
  });
}

/** Undefined where nothing is to be sampled: strength 0, or a walk without a step. */
function levelsOf(options: PassOptions, model: ModelSampling): Levels | undefined {
  const { request, names, steps, init, pass } = options;
  const { sampler, schedule } = names;
  const { sigmas: given = {} } = request;
  const compute = (count: number): number[] =>
    computeSigmas({
      sampler,
      schedule,
      steps: count,
      model,
      ...(given.min === undefined ? {} : { sigmaMin: given.min }),
      ...(given.max === undefined ? {} : { sigmaMax: given.max }),
      ...(given.rho === undefined ? {} : { rho: given.rho }),
      ...(given.betaAlpha === undefined ? {} : { betaAlpha: given.betaAlpha }),
      ...(given.betaBeta === undefined ? {} : { betaBeta: given.betaBeta }),
      discardPenultimate: given.discardPenultimate === true,
    });
  if (!init) {
    const sigmas = compute(steps);
    const start = model.startCoefficients(sigmas[0] ?? 0, request.sgmNoiseMultiplier === true);
    return { sigmas, range: rangeOf(sigmas), start: { ...start, latent: 0 } };
  }
  const rule = pass === 'hires' ? 'hires' : init.exact ? 'exact' : 'plain';
  const plan = img2imgSteps(rule, steps, init.strength);
  if (plan.skip) return undefined;
  const all = compute(plan.scheduleSteps);
  if (sampler.timestepGrid === true && model.parameterization === 've') {
    const grid = timestepGrid(plan.scheduleSteps, model.sigmas.length);
    const { noiseTimestep, runTimesteps } = img2imgTimesteps(grid, plan.tEnc);
    const sigmas = runTimesteps.map((t) => model.sigmas[t] ?? 0).reverse();
    const noised = model.sigmas[noiseTimestep] ?? 0;
    if (sigmas.length < 2) return undefined;
    // Upstream noises variance-preserving for one grid entry and reads it as the next lower one.
    const scale = Math.sqrt((1 + (sigmas[0] ?? 0) ** 2) / (1 + noised ** 2));
    return { sigmas, range: rangeOf(all), start: { noise: scale * noised, latent: scale } };
  }
  const sigmas = img2imgSigmas(all, plan);
  if (sigmas.length < 2) return undefined;
  return { sigmas, range: rangeOf(all), start: model.startCoefficients(sigmas[0] ?? 0) };
}

function rangeOf(sigmas: readonly number[]): SigmaRange {
  return { sigmaMin: sigmas.findLast((s) => s > 0) ?? 0, sigmaMax: sigmas[0] ?? 0 };
}

function startNoise(given: HostTensor | undefined, drawn: Float32Array, shape: readonly number[]): Float32Array {
  if (!given) return drawn;
  if (given.data.length === drawn.length) return Float32Array.from(given.data);
  throw new AppError(
    'argument/invalid',
    `start noise: must have ${drawn.length} values ([${shape.join(', ')}]), got ${given.data.length}.`,
  );
}

/** noise coefficient · noise + latent coefficient · clean latent, for every picture. */
function startLatent(
  coefficients: { readonly noise: number; readonly latent: number },
  { shape, data: noise, multiplier }: HookLatent & { readonly multiplier: number },
  init: HostTensor | undefined,
): HookLatent {
  const plane = init?.data.length ?? 1;
  const data = noise.map((value, i) => {
    const clean = init ? coefficients.latent * (init.data[i % plane] ?? 0) : 0;
    return coefficients.noise * multiplier * value + clean;
  });
  return { shape, data };
}

async function addExtraNoise(
  { request, init, hooks }: PassOptions,
  start: HookLatent,
  noise: HookLatent,
): Promise<HookLatent> {
  const amount = request.extraNoise ?? 0;
  if (!init || amount === 0) return start;
  await hooks.emit('extraNoise', { noise, init: hookLatent(init.latents), start });
  return { shape: start.shape, data: start.data.map((value, i) => value + amount * (noise.data[i] ?? 0)) };
}

/** The same latent for every picture of the batch. */
function spread(latents: HostTensor | undefined, shape: readonly number[]): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const plane = latents?.data.length ?? 1;
  return { shape, data: Float32Array.from({ length: count }, (_, i) => latents?.data[i % plane] ?? 0) };
}

/** The request's way of guidance, new for each run. */
function guidanceOf({ guidanceMethod = 'cfg', guidanceOptions = {} }: GenerateRequest): CombineGuidance | undefined {
  const { id, options } = resolveGuidance(guidanceMethod, guidanceOptions);
  return combineGuidance(id, options);
}
