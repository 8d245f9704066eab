/**
 * The sampler contract. A sampler is an async function over `denoise`, `lincomb`, `noise` and `onStep`; it never sees
 * a tensor library, a device or a model, so it runs on `Float64Array` in tests and on device buffers in production.
 */
import type { ModelSampling, Parameterization } from './model_sampling';
import type { GivenOptions, OptionSchema, OptionsOf } from './options';
import { resolveOptions } from './options';

/** One addend of a linear combination: coefficient and latent. */
export type Term<L> = readonly [coefficient: number, latent: L];

/** What a sampler says at the end of a step. */
export interface SamplerStep<L> {
  /** Step number from 0. */
  readonly i: number;
  /** Noise level at the start of the step. */
  readonly sigma: number;
  /** Guided estimate of the clean latent, for previews. */
  readonly denoised: L;
  /** State after the step. */
  readonly x: L;
  /**
   * Latents the sampler uses again in later steps. **Everything else the context made since the run began, except `x`,
   * is released after the step**; samplers never release anything themselves.
   */
  readonly keep?: readonly (L | undefined)[];
}

/**
 * Everything a sampler may use. Latents are immutable values: each call returns a new one.
 * For eps, v and edm models x is `x0 + sigma * noise`; for flow models `(1 - sigma) * x0 + sigma * noise`.
 */
export interface SamplerContext<L, O = GivenOptions> {
  /** Guided estimate of the clean latent at noise level sigma (> 0). One call is one guided model evaluation. */
  denoise(x: L, sigma: number): Promise<L>;
  /** Unconditional estimate of the most recent `denoise`; only for samplers registered with `needsUncond`. */
  uncond(): L;
  /** Sum of coefficient * latent as one fused operation; zero coefficients cost nothing. */
  lincomb(...terms: readonly Term<L>[]): L;
  /** Unit-variance noise of the job for the interval; a Brownian source correlates overlapping intervals. */
  noise(sigma: number, sigmaNext: number): L;
  /** sqrt(mean(((a - b) / max(atol, rtol * max(|a|, |reference|)))^2)) over all elements; for adaptive samplers. */
  scaledError(error: ScaledError<L>): Promise<number>;
  /** Ends a step: progress, preview, cancellation, release of what the step does not keep. Await it. */
  onStep(step: SamplerStep<L>): Promise<void>;
  readonly options: O;
  readonly model: ModelSampling;
  /** Noise range of the run, for samplers that choose their own sigmas (DPM fast, DPM adaptive). */
  readonly range: SigmaRange;
  readonly signal: AbortSignal | undefined;
}

export interface ScaledError<L> {
  readonly a: L;
  readonly b: L;
  readonly reference: L;
  readonly atol: number;
  readonly rtol: number;
}

export interface SigmaRange {
  readonly sigmaMin: number;
  readonly sigmaMax: number;
}

export interface SamplerMeta<Id extends string = string, S extends OptionSchema = OptionSchema> {
  readonly id: Id;
  readonly label: string;
  /** Names used by the web UIs' API and older parameters. */
  readonly aliases: readonly string[];
  /** ComfyUI and SwarmUI names. */
  readonly comfyui?: readonly string[];
  /** stable-diffusion.cpp names. */
  readonly sdcpp?: readonly string[];
  readonly options: S;
  /** Convergence order. */
  readonly order: number;
  /** Model evaluations per step, for progress and time estimates; the last step may need fewer. */
  readonly callsPerStep: number;
  /** Schedule that "Automatic" means: an id of the schedule registry. */
  readonly preferredSchedule: string;
  readonly parameterizations: readonly Parameterization[];
  /** Progress counts 2 * steps, and the web UIs double the total for guidance and refiner rules. */
  readonly secondOrder?: boolean;
  /** Noise comes from a Brownian tree, one per image seed, not from the job's generator. */
  readonly brownian?: boolean;
  readonly usesEnsd?: boolean;
  /** One more sigma is made and the next-to-last dropped. */
  readonly discardPenultimate?: boolean;
  /** Walks a grid of trained timesteps instead of the chosen schedule. */
  readonly timestepGrid?: boolean;
  /** Chooses its own sigmas within the range of the schedule. */
  readonly rangeOnly?: boolean;
  /** Needs the unconditional estimate, so guidance 1 cannot skip that pass. */
  readonly needsUncond?: boolean;
  /** The guidance scale the user sets is divided by this before it acts. */
  readonly guidanceDivisor?: number;
  /** Draws noise; two runs need the same noise source to agree. */
  readonly stochastic?: boolean;
  /** Present in the web UIs' menu; the others come from ComfyUI. */
  readonly webui?: boolean;
  /** Paper or project the rule comes from. */
  readonly source: string;
}

export type SamplerRun<O> = <L>(ctx: SamplerContext<L, O>, x: L, sigmas: readonly number[]) => Promise<L>;

export interface SamplerDef<Id extends string = string> extends SamplerMeta<Id> {
  /** Options in the context are checked and completed by the schema before the rule sees them. */
  readonly run: SamplerRun<GivenOptions>;
}

/** Registers a rule under its metadata; options of the context are resolved against the schema on each run. */
export function defineSampler<const Id extends string, const S extends OptionSchema>(
  meta: SamplerMeta<Id, S>,
  run: SamplerRun<OptionsOf<S>>,
): SamplerDef<Id> {
  return {
    ...meta,
    run: (ctx, x, sigmas) => {
      const options = resolveOptions(`sampler ${meta.id}`, meta.options, ctx.options);
      return run(
        Object.create(ctx, { options: { value: options } }) as typeof ctx & { options: OptionsOf<S> },
        x,
        sigmas,
      );
    },
  };
}

/** Consecutive pairs [sigma, next] with their index, the shape of every sampler's loop. */
export function* sigmaPairs(sigmas: readonly number[]): Generator<readonly [i: number, sigma: number, next: number]> {
  for (let i = 0; i + 1 < sigmas.length; i++) yield [i, sigmas[i] as number, sigmas[i + 1] as number];
}
