/** One batch of latents: start noise, sampling with guidance, progress and previews. */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import { AppError } from '../base/errors';
import type { HostArray } from '../models/family';
import type { PixelImage } from '../rpc/engine';
import { runSampler } from '../sampling/context';
import type { ModelSampling } from '../sampling/model_sampling';
import type { GivenOptions } from '../sampling/options';
import type { SamplerDef } from '../sampling/sampler';
import type { ConditionPlan } from './conditions';
import { GuidedDenoiser } from './guided_denoiser';
import { deviceLatentOps } from './latents';
import type { LoadedModel } from './loaded_model';

export interface SampleBatchOptions {
  readonly model: LoadedModel;
  readonly sampling: ModelSampling;
  readonly sampler: SamplerDef;
  readonly samplerOptions: GivenOptions;
  readonly sigmas: readonly number[];
  readonly conditions: ConditionPlan;
  readonly cfgScale: number;
  readonly tiling: boolean;
  readonly extra: Readonly<Record<string, HostArray>>;
  /** Start latent at noise level sigmas[0], `[batch, C, h, w]`. */
  readonly start: HostTensor;
  /** Fresh unit noise of the batch. */
  readonly noise: (sigma: number, sigmaNext: number) => Float32Array<ArrayBuffer>;
  readonly signal: AbortSignal | undefined;
  /** After each step; `denoised` may be downloaded for a preview, not kept. */
  readonly onStep: (step: { i: number; denoised: DeviceTensor }) => Promise<void>;
  /** Model calls already made by earlier passes of the same prompt schedule. */
  readonly firstCall?: number;
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
  const { model, sampling, start, signal } = options;
  const { backend } = model;
  const [batch = 1, , height = 0, width = 0] = start.shape;
  const denoiser = new GuidedDenoiser({
    model,
    sampling,
    batch,
    height,
    width,
    tiling: options.tiling,
    extra: options.extra,
  });
  const ops = deviceLatentOps(backend);
  const x = backend.upload(start);
  let call = options.firstCall ?? 0;
  // A copy of the last estimate, on the device: an interrupted job shows it, and nothing is read back per step.
  let last: DeviceTensor | undefined;
  try {
    const latent = await runSampler<DeviceTensor>(options.sampler, x, options.sigmas, {
      ops,
      model: sampling,
      options: options.samplerOptions,
      ...(signal ? { signal } : {}),
      async denoise(at, sigma) {
        call += 1;
        return denoiser.denoise(at, sigma, options.conditions.at(call), {
          cfgScale: options.cfgScale,
          needsUncond: options.sampler.needsUncond === true,
          signal,
        });
      },
      noise: (sigma, sigmaNext) => backend.upload({ shape: start.shape, data: options.noise(sigma, sigmaNext) }),
      async onStep({ i, denoised }) {
        last?.dispose();
        last = backend.lincomb([[1, denoised]]);
        await options.onStep({ i, denoised });
      },
    });
    const latents = await backend.download(latent);
    if (latent !== x) latent.dispose();
    return { latents, interrupted: false };
  } catch (error) {
    const interrupted = error instanceof AppError && error.code === 'job/cancelled';
    if (last && interrupted) return { latents: await backend.download(last), interrupted: true };
    throw error;
  } finally {
    last?.dispose();
    x.dispose();
    denoiser.releaseInputs();
  }
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

/** A latent's linear RGB estimate, one pixel per cell; for models whose family knows the factors. */
export function linearPreview(
  latent: HostTensor,
  preview: { readonly factors: readonly (readonly number[])[]; readonly bias: readonly number[] },
): PixelImage {
  const [, channels = 0, heightPx = 0, widthPx = 0] = latent.shape;
  const plane = heightPx * widthPx;
  const rgba = new Uint8ClampedArray(4 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) {
      let value = preview.bias[c] ?? 0;
      for (let k = 0; k < channels; k++) value += (latent.data[k * plane + i] ?? 0) * (preview.factors[k]?.[c] ?? 0);
      rgba[4 * i + c] = Math.round(255 * value);
    }
    rgba[4 * i + 3] = 255;
  }
  return { widthPx, heightPx, rgba };
}
