/** Which part of a schedule an img2img, hires or timestep run takes, and what it starts from. */
import { AppError } from '../../base/errors';

/**
 * `plain`: the web UIs' default, about strength * steps steps. `exact`: the schedule is stretched so that `steps` run.
 * `hires`: exact for the second pass. `comfy`: ComfyUI's stretch. `diffusers`: the pipelines' floor.
 */
export type StepRule = 'plain' | 'exact' | 'hires' | 'comfy' | 'diffusers';

export interface Img2ImgSteps {
  /** Steps the schedule is made for; 0 means nothing to sample. */
  readonly scheduleSteps: number;
  /** Web UI's t_enc; sigmas are taken from scheduleSteps - tEnc - 1. */
  readonly tEnc: number;
  /** First index of the schedule that is used; negative counts from the end, as upstream. */
  readonly startIndex: number;
  /** True for strength 0: the picture stays as it is, no step is run. */
  readonly skip: boolean;
}

/**
 * @param steps  requested steps, >= 1
 * @param strength  denoising strength 0..1
 * @throws AppError 'argument/invalid'
 * Source: web UI setup_img2img_steps, ComfyUI KSampler.set_steps, diffusers get_timesteps
 */
export function img2imgSteps(rule: StepRule, steps: number, strength: number): Img2ImgSteps {
  if (!(Number.isInteger(steps) && steps >= 1 && strength >= 0 && strength <= 1)) {
    throw new AppError(
      'argument/invalid',
      `img2img: needs whole steps >= 1 and a strength in 0..1, got ${steps} and ${strength}.`,
      { details: { steps, strength } },
    );
  }
  const { scheduleSteps, tEnc } = raw(rule, steps, strength);
  return { scheduleSteps, tEnc, startIndex: scheduleSteps - tEnc - 1, skip: strength === 0 };
}

function raw(rule: StepRule, steps: number, strength: number): { scheduleSteps: number; tEnc: number } {
  switch (rule) {
    case 'plain':
      return { scheduleSteps: steps, tEnc: Math.trunc(Math.min(strength, 0.999) * steps) };
    case 'exact':
    case 'hires':
      return { scheduleSteps: strength > 0 ? Math.trunc(steps / Math.min(strength, 0.999)) : 0, tEnc: steps - 1 };
    case 'comfy':
      if (strength === 0) return { scheduleSteps: 0, tEnc: -1 };
      return { scheduleSteps: strength > 0.9999 ? steps : Math.trunc(steps / strength), tEnc: steps - 1 };
    case 'diffusers':
      return { scheduleSteps: steps, tEnc: Math.min(Math.trunc(steps * strength), steps) - 1 };
  }
  rule satisfies never;
}

/** The used tail of a schedule made for `scheduleSteps`. An empty schedule stays empty. */
export function img2imgSigmas(sigmas: readonly number[], plan: Img2ImgSteps): number[] {
  return plan.skip ? [] : sigmas.slice(plan.startIndex);
}

/**
 * Timestep samplers: noise level and walk within the ascending grid. The latent is noised for `grid[tEnc]`, but the
 * first model call is one entry lower, as in the web UIs.
 */
export function img2imgTimesteps(
  grid: readonly number[],
  tEnc: number,
): { readonly noiseTimestep: number; readonly runTimesteps: readonly number[] } {
  const index = Math.min(Math.max(tEnc, 0), grid.length - 1);
  return { noiseTimestep: grid[index] as number, runTimesteps: grid.slice(0, index) };
}

export interface RefinerRule {
  readonly steps: number;
  /** Fraction of the run at which the refiner takes over. */
  readonly switchAt: number;
  readonly secondOrder: boolean;
}

/** Total the web UIs compare with: doubled for second-order samplers although their last step makes one call. */
export function totalCalls(steps: number, secondOrder: boolean): number {
  return steps * (secondOrder ? 2 : 1);
}

/** First model call that uses the refiner, or undefined when the run ends before. Source: Forge: call / total >= switch_at. */
export function firstRefinerCall(rule: RefinerRule): number | undefined {
  const total = totalCalls(rule.steps, rule.secondOrder);
  const calls = total - (rule.secondOrder ? 1 : 0);
  for (let call = 0; call < calls; call++) if (call / total >= rule.switchAt) return call;
  return undefined;
}
