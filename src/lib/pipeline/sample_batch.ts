/** One batch of latents: sampling with guidance, masks and a second model, with progress. Knows no prompt and no picture. */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { HookRunner } from '../extensions/api';
import type { HookConditions, HookLatent } from '../extensions/hooks';
import type { HostArray } from '../models/family';
import type { GuidanceRequest } from '../rpc/engine';
import { runSampler } from '../sampling/context';
import { effectiveScale } from '../sampling/guidance/combine';
import type { CombineGuidance } from '../sampling/guidance/combine_method';
import type { ModelSampling } from '../sampling/model_sampling';
import type { GivenOptions } from '../sampling/options';
import type { SamplerDef, SigmaRange } from '../sampling/sampler';
import type { StepConditions } from './condition_inputs';
import type { ConditionPlan } from './conditions';
import type { ControlSet } from './control/control_set';
import { GuidedDenoiser } from './guided_denoiser';
import { deviceLatentOps } from './latents';
import type { LoadedModel } from './loaded_model';
import { createBlender, type Blender, type MaskBlend } from './mask_blend';

/** A model with what it is told besides the noisy latent. */
export interface DenoiserSetup {
  readonly model: LoadedModel;
  readonly sampling: ModelSampling;
  readonly conditions: ConditionPlan;
  readonly extra: Readonly<Record<string, HostArray>>;
  readonly control?: ControlSet | undefined;
}

export interface SampleBatchOptions extends DenoiserSetup {
  readonly sampler: SamplerDef;
  readonly samplerOptions: GivenOptions;
  readonly sigmas: readonly number[];
  /** Range of the whole schedule, for Brownian noise and adaptive samplers. */
  readonly range: SigmaRange;
  readonly cfgScale: number;
  readonly cfgRescale?: number | undefined;
  readonly guidance?: GuidanceRequest | undefined;
  /** Guidance that is more than a sum, with what it keeps over this run. */
  readonly combine?: CombineGuidance | undefined;
  /** Model calls that guidance rules count as the whole run. */
  readonly totalCalls: number;
  readonly tiling: boolean;
  /** Start latent at noise level sigmas[0], `[batch, C, h, w]`. */
  readonly start: HostTensor;
  /** Fresh unit noise of the batch. */
  readonly noise: (sigma: number, sigmaNext: number) => Float32Array<ArrayBuffer>;
  readonly mask?: MaskBlend | undefined;
  /** A second model of the same latent space, opened when its turn comes. */
  readonly refiner?: { readonly fromCall: number; readonly open: () => Promise<DenoiserSetup> } | undefined;
  readonly hooks: HookRunner;
  readonly signal: AbortSignal | undefined;
  /** After each step; `denoised` may be downloaded for a preview, not kept. */
  readonly onStep: (step: { i: number; denoised: DeviceTensor }) => Promise<void>;
}

export interface SampledBatch {
  readonly latents: HostTensor;
  /** The user stopped the run; `latents` is the last step's estimate of the clean picture. */
  readonly interrupted: boolean;
}

/**
 * Runs the sampler.
 * @throws AppError 'job/cancelled' when stopped before the first step gave anything, 'job/superseded', 'job/non-finite'
 */
export async function sampleBatch(options: SampleBatchOptions): Promise<SampledBatch> {
  const { model, sampling, sampler, start, signal } = options;
  const { backend } = model;
  const run = new BatchRun(options);
  const x = backend.upload(start);
  // A copy of the last estimate, on the device: an interrupted job shows it, and nothing is read back per step.
  let last: DeviceTensor | undefined;
  try {
    const latent = await runSampler<DeviceTensor>(sampler, x, options.sigmas, {
      ops: deviceLatentOps(backend),
      model: sampling,
      options: options.samplerOptions,
      range: options.range,
      ...(signal ? { signal } : {}),
      denoise: (at, sigma) => run.denoise(at, sigma),
      noise: (sigma, sigmaNext) => backend.upload({ shape: start.shape, data: options.noise(sigma, sigmaNext) }),
      async onStep({ i, denoised }) {
        last?.dispose();
        last = backend.lincomb([[1, denoised]]);
        await options.onStep({ i, denoised });
      },
    });
    const final = await run.finish(latent, x);
    const latents = await backend.download(final);
    if (final !== x) final.dispose();
    if (options.mask) await run.tellBlend(0, true, () => Promise.resolve(hookLatent(latents)));
    return { latents, interrupted: false };
  } catch (error) {
    const interrupted = error instanceof AppError && error.code === 'job/cancelled';
    if (last && interrupted) return { latents: await backend.download(last), interrupted: true };
    throw error;
  } finally {
    last?.dispose();
    x.dispose();
    run.dispose();
  }
}

/** The model calls of one sampling: which model, which conditions, which guidance, and what hooks see of it. */
class BatchRun {
  readonly #options: SampleBatchOptions;
  readonly #blender: Blender | undefined;
  #setup: DenoiserSetup;
  #denoiser: GuidedDenoiser;
  #refined = false;
  calls = 0;

  constructor(options: SampleBatchOptions) {
    this.#options = options;
    this.#setup = options;
    this.#denoiser = this.#createDenoiser(options);
    this.#blender = options.mask
      ? createBlender(options.model, options.sampling, options.mask, options.start.shape)
      : undefined;
  }

  async denoise(at: DeviceTensor, sigma: number): Promise<{ denoised: DeviceTensor; uncond?: DeviceTensor }> {
    const { hooks, sampler, signal, guidance, totalCalls: steps, cfgRescale } = this.#options;
    const step = this.calls;
    await this.#switchModel(step);
    const seen = this.#blender ? await this.#blender.before(at, sigma) : at;
    try {
      const cfgScale = effectiveScale(
        {
          scale: this.#options.cfgScale / (sampler.guidanceDivisor ?? 1),
          skipEarly: guidance?.skipEarly ?? 0,
          ngms: guidance?.minUncondSigma ?? 0,
          ngmsAll: guidance?.minUncondAll === true,
        },
        step,
        steps,
        sigma,
      );
      const conditions = this.#setup.conditions.at(step + 1);
      const read = () => this.#read(seen);
      const shown = hookConditions(conditions);
      const told = await hooks.emit('denoiserInput', { sigma, step, steps, conditions: shown, cfgScale, read });
      const result = await this.#denoiser.denoise(seen, sigma, conditions, {
        cfgScale: told.cfgScale,
        rescale: cfgRescale ?? 0,
        combine: this.#options.combine,
        needsUncond: sampler.needsUncond === true,
        imageScale: editScale(this.#setup.model, guidance),
        share: step / Math.max(1, steps),
        signal,
        onPredicted: hooks.has('denoised')
          ? async (estimate) => {
              const read = async () => {
                const tensor = estimate();
                try {
                  return await this.#read(tensor);
                } finally {
                  tensor.dispose();
                }
              };
              await hooks.emit('denoised', { sigma, step, steps, read });
            }
          : undefined,
      });
      let { denoised } = result;
      if (this.#blender) {
        const blended = await this.#blender.after(denoised, sigma);
        denoised.dispose();
        denoised = blended;
        await this.tellBlend(sigma, false, () => this.#read(blended));
      }
      await hooks.emit('afterGuidance', { sigma, step, steps, read: () => this.#read(denoised) });
      this.calls = step + 1;
      return { ...result, denoised };
    } finally {
      if (seen !== at) seen.dispose();
    }
  }

  /** The kept area of the final latent is the start picture's. Disposes `latent` unless it is the caller's own. */
  async finish(latent: DeviceTensor, callersOwn: DeviceTensor): Promise<DeviceTensor> {
    if (!this.#blender) return latent;
    const blended = await this.#blender.final(latent);
    if (latent !== callersOwn && latent !== blended) latent.dispose();
    return blended;
  }

  async tellBlend(sigma: number, final: boolean, read: () => Promise<HookLatent>): Promise<void> {
    const { hooks, mask, start } = this.#options;
    if (!mask) return;
    const told = { mask: { shape: start.shape.slice(2), data: mask.mask }, init: hookLatent(mask.init) };
    await hooks.emit('maskBlend', { step: this.calls, sigma, final, ...told, read });
  }

  dispose(): void {
    this.#denoiser.releaseInputs();
    this.#blender?.dispose();
  }

  async #switchModel(step: number): Promise<void> {
    const { refiner } = this.#options;
    if (!refiner || this.#refined || step < refiner.fromCall) return;
    this.#refined = true;
    this.#setup = await refiner.open();
    this.#denoiser.releaseInputs();
    this.#denoiser = this.#createDenoiser(this.#setup);
  }

  #createDenoiser({ model, sampling, extra, control }: DenoiserSetup): GuidedDenoiser {
    const { start, tiling } = this.#options;
    const [batch = 1, , height = 0, width = 0] = start.shape;
    return new GuidedDenoiser({ model, sampling, batch, height, width, tiling, extra, control });
  }

  async #read(tensor: DeviceTensor): Promise<HookLatent> {
    return hookLatent(await this.#options.model.backend.download(tensor));
  }
}

/** The web UIs' default of instruct-pix2pix. */
const IMAGE_SCALE = 1.5;

/** Undefined for models that take no picture beside the latent, or take it without guidance (FLUX.1 Canny, Depth). */
function editScale({ detected }: LoadedModel, guidance: GuidanceRequest | undefined): number | undefined {
  const edits = detected.inputs.includes('concat') && detected.denoiser.architecture === 'unet';
  return edits ? (guidance?.imageScale ?? IMAGE_SCALE) : undefined;
}

/** A tensor for extensions. */
export function hookLatent({ shape, data }: HostTensor): HookLatent {
  return { shape, data: data instanceof Float32Array ? data : Float32Array.from(data) };
}

/** What a call is conditioned on, for extensions; views, not copies. */
export function hookConditions({ conds, uncond }: StepConditions): HookConditions {
  return { positive: conds.map(({ weight, conditioning }) => ({ weight, inputs: conditioning })), negative: uncond };
}

/** Remaining time from the steps so far; the first step counts little because it compiles and warms up. */
export class StepClock {
  readonly #startedAt: number;
  readonly #now: () => number;
  #firstStepAt: number | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** @param done  steps finished, from 1 */
  tick(done: number, total: number): { elapsedMs: number; remainingMs?: number } {
    const now = this.#now();
    const elapsedMs = now - this.#startedAt;
    this.#firstStepAt ??= now;
    if (done < 2) return done === 1 ? { elapsedMs, remainingMs: elapsedMs * (total - done) } : { elapsedMs };
    return { elapsedMs, remainingMs: ((now - this.#firstStepAt) / (done - 1)) * (total - done) };
  }
}
