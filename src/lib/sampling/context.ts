/**
 * Builds the context a sampler runs in from a backend's few operations, owns the lifetime of latents, and runs a
 * sampler with its inputs checked. The same code serves arrays and device buffers.
 */
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import type { ModelSampling } from './model_sampling';
import type { GivenOptions } from './options';
import type { SamplerContext, SamplerDef, SamplerStep, ScaledError, SigmaRange, Term } from './sampler';

/** Addends one fused operation takes; longer sums are split. */
export const MAX_TERMS = 8;

/** What a backend gives: immutable latents, one fused sum, and release. */
export interface LatentOps<L> {
  /** New latent = sum of coefficient * latent; 1 to MAX_TERMS terms, finite coefficients. */
  lincomb(terms: readonly Term<L>[]): L;
  scaledError(error: ScaledError<L>): Promise<number>;
  /** False when a latent holds NaN or infinity; a backend that cannot know cheaply leaves it out. */
  isFinite?(latent: L): boolean | Promise<boolean>;
  /** Latents nobody will use again. Called after each step and at the end. */
  release(latents: readonly L[]): void;
}

export interface SamplerJob<L> {
  readonly ops: LatentOps<L>;
  readonly model: ModelSampling;
  /** Guided model call. Both latents must be fresh: the context releases them when the sampler is done with them. */
  denoise(x: L, sigma: number, signal: AbortSignal | undefined): Promise<{ readonly denoised: L; readonly uncond?: L }>;
  /** Fresh unit noise; required by samplers that draw (see `stochastic`). */
  noise?(sigma: number, sigmaNext: number): L;
  /** After each step, before release; keep no handle beyond the returned promise. */
  onStep?(step: SamplerStep<L>): void | Promise<void>;
  readonly options?: GivenOptions;
  readonly signal?: AbortSignal;
  /** Range for DPM fast and DPM adaptive; default first and last positive sigma of the run. */
  readonly range?: SigmaRange;
  /** Probe every denoised latent and fail with 'job/non-finite'; needs `ops.isFinite`. */
  readonly checkFinite?: boolean;
}

/**
 * Runs a sampler over a list of noise levels.
 * @param x  start latent at noise level sigmas[0]; belongs to the caller, never released here
 * @param sigmas  descending, positive, the last may be 0; one level alone makes no step
 * @returns the final latent; it belongs to the caller (and may be `x` itself when there was no step)
 * @throws AppError 'argument/invalid' (levels, options), 'sampler/unsupported' (prediction kind, missing noise or
 * uncond), 'job/non-finite', 'job/cancelled', and whatever `denoise` throws; all latents of the run are released then
 */
export async function runSampler<L>(
  sampler: SamplerDef,
  x: L,
  sigmas: readonly number[],
  job: SamplerJob<L>,
): Promise<L> {
  const levels = checkedSigmas(sampler.id, sigmas);
  checkSupport(sampler, job);
  const arena = new Arena(job.ops, x);
  try {
    const result = await sampler.run(createContext(sampler, levels, job, arena), x, levels);
    arena.releaseExcept([result]);
    return result;
  } catch (error) {
    arena.releaseExcept([]);
    throw error;
  }
}

/**
 * Checks noise levels and drops repeated ones (a zero-length step divides by zero in every multistep rule).
 * @throws AppError 'argument/invalid'
 */
export function checkedSigmas(owner: string, sigmas: readonly number[]): number[] {
  const levels = sigmas.filter((s, i) => i === 0 || s !== sigmas[i - 1]);
  const bad = levels.findIndex(
    (s, i) =>
      !Number.isFinite(s) ||
      s < 0 ||
      (s === 0 && (i === 0 || i < levels.length - 1)) ||
      (i > 0 && s > (levels[i - 1] ?? s)),
  );
  if (levels.length === 0 || bad >= 0) {
    throw new AppError(
      'argument/invalid',
      `sampler ${owner}: noise levels must be finite, positive and descending (the last may be 0), got ${
        levels.length === 0 ? 'none' : `${String(levels[bad])} at position ${bad}`
      }; check the schedule and its sigma range.`,
      { details: { sampler: owner, position: bad } },
    );
  }
  return levels;
}

function checkSupport<L>(sampler: SamplerDef, job: SamplerJob<L>): void {
  if (!sampler.parameterizations.includes(job.model.parameterization)) {
    const kind = job.model.parameterization === 'flow' ? 'rectified-flow' : 'noise-prediction';
    throw new AppError(
      'sampler/unsupported',
      `${sampler.label}: has no rule for ${kind} models; choose Euler or another sampler that supports them.`,
      { details: { sampler: sampler.id, parameterization: job.model.parameterization } },
    );
  }
  if (sampler.stochastic === true && job.noise === undefined) {
    throw new AppError('sampler/unsupported', `${sampler.label}: draws noise, but the job gave no noise source.`, {
      details: { sampler: sampler.id },
    });
  }
}

/** Latents made in this run that are not yet released. */
class Arena<L> {
  readonly #live = new Set<L>();
  readonly #ops: LatentOps<L>;
  readonly #callersOwn: L;

  constructor(ops: LatentOps<L>, callersOwn: L) {
    this.#ops = ops;
    this.#callersOwn = callersOwn;
  }

  add(latent: L): L {
    if (latent !== this.#callersOwn) this.#live.add(latent);
    return latent;
  }

  releaseExcept(keep: readonly (L | undefined)[]): void {
    const dead = [...this.#live].filter((latent) => !keep.includes(latent));
    for (const latent of dead) this.#live.delete(latent);
    if (dead.length > 0) this.#ops.release(dead);
  }
}

function createContext<L>(
  sampler: SamplerDef,
  sigmas: readonly number[],
  job: SamplerJob<L>,
  arena: Arena<L>,
): SamplerContext<L> {
  let lastUncond: L | undefined;
  const lincomb = (...terms: readonly Term<L>[]): L => arena.add(splitLincomb(sampler.id, job.ops, arena, terms));
  return {
    async denoise(x, sigma) {
      throwIfAborted(job.signal);
      const { denoised, uncond } = await job.denoise(x, sigma, job.signal);
      arena.add(denoised);
      lastUncond = uncond === undefined ? undefined : arena.add(uncond);
      if (job.checkFinite === true && job.ops.isFinite !== undefined && !(await job.ops.isFinite(denoised))) {
        throw nonFinite(`${sampler.label}: the model returned values that are not finite at sigma ${sigma}`, { sigma });
      }
      return denoised;
    },
    uncond() {
      if (lastUncond !== undefined) return lastUncond;
      throw new AppError(
        'sampler/unsupported',
        `${sampler.label}: needs the unconditional prediction, but the job evaluated none; set the guidance scale above 1 or choose another sampler.`,
        { details: { sampler: sampler.id } },
      );
    },
    lincomb,
    noise(sigma, sigmaNext) {
      if (job.noise !== undefined) return arena.add(job.noise(sigma, sigmaNext));
      throw new AppError('sampler/unsupported', `${sampler.label}: draws noise, but the job gave no noise source.`);
    },
    scaledError: (error) => job.ops.scaledError(error),
    async onStep(step) {
      await job.onStep?.(step);
      arena.releaseExcept([step.x, ...(step.keep ?? [])]);
      throwIfAborted(job.signal);
    },
    options: job.options ?? {},
    model: job.model,
    range: job.range ?? { sigmaMin: sigmas.findLast((s) => s > 0) ?? 0, sigmaMax: sigmas[0] ?? 0 },
    signal: job.signal,
  };
}

function splitLincomb<L>(owner: string, ops: LatentOps<L>, arena: Arena<L>, terms: readonly Term<L>[]): L {
  const bad = terms.find(([c]) => !Number.isFinite(c));
  if (bad !== undefined) throw nonFinite(`sampler ${owner}: a step coefficient became ${bad[0]}`, { owner });
  const used = terms.filter(([c]) => c !== 0);
  // All coefficients zero: still a latent of the right shape.
  let rest: readonly Term<L>[] = used.length > 0 ? used : terms.slice(0, 1);
  while (rest.length > MAX_TERMS) {
    const partial = arena.add(ops.lincomb(rest.slice(0, MAX_TERMS)));
    rest = [[1, partial], ...rest.slice(MAX_TERMS)];
  }
  return ops.lincomb(rest);
}

function nonFinite(what: string, details: Record<string, unknown>): AppError {
  return new AppError(
    'job/non-finite',
    `${what}; try f32 precision, a lower guidance scale or a schedule with smaller steps.`,
    { details },
  );
}
