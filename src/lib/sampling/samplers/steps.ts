/** Pieces of a step that several samplers share. */
import type { ModelSampling } from '../model_sampling';
import type { SamplerContext } from '../sampler';

/** How an ancestral step divides the way to the next noise level: down without noise, then noise of level `up`. */
export interface AncestralStep {
  readonly down: number;
  readonly up: number;
}

/** Source: k-diffusion get_ancestral_step. eta 0 gives down = next, up = 0. */
export function ancestralStep(sigma: number, next: number, eta: number): AncestralStep {
  const up = Math.min(next, eta * next * Math.sqrt(1 - (next / sigma) ** 2));
  return { down: Math.sqrt(Math.max(next ** 2 - up ** 2, 0)), up };
}

/** Ancestral step of any model: after going down, x is multiplied by `scale`, then noise of level `up` is added. */
export interface ScaledAncestralStep extends AncestralStep {
  readonly scale: number;
}

/**
 * The ancestral step for the model's own noising rule. Flow models keep the signal share 1 - next.
 * Source: the rectified-flow form that Forge and ComfyUI use.
 */
export function modelAncestralStep(
  model: ModelSampling,
  sigma: number,
  next: number,
  eta: number,
): ScaledAncestralStep {
  if (model.parameterization === 've') return { ...ancestralStep(sigma, next, eta), scale: 1 };
  const down = next * (1 + (next / sigma - 1) * eta);
  const scale = (1 - next) / (1 - down);
  return { down, scale, up: Math.sqrt(Math.max(next ** 2 - down ** 2 * scale ** 2, 0)) };
}

interface ChurnOptions {
  readonly sChurn: number;
  readonly sTmin: number;
  readonly sTmax: number;
  readonly sNoise: number;
}

/**
 * Raises the noise level a little before a step. With churn on, noise is drawn in every step, also outside its window,
 * as the web UIs do, so that the n-th draw belongs to the n-th step.
 * Source: Karras et al. 2022, algorithm 2, lines 3-5.
 */
export function churned<L>(
  ctx: SamplerContext<L, ChurnOptions>,
  x: L,
  sigma: number,
  sigmas: readonly number[],
): { readonly x: L; readonly sigma: number } {
  const { sChurn, sTmin, sTmax, sNoise } = ctx.options;
  const inside = sigma >= sTmin && sigma <= (sTmax === 0 ? Infinity : sTmax);
  if (sChurn <= 0) return { x, sigma };
  const gamma = inside ? Math.min(sChurn / (sigmas.length - 1), Math.SQRT2 - 1) : 0;
  const noise = ctx.noise(sigma, sigma * (1 + gamma));
  if (gamma <= 0) return { x, sigma };
  const raised = sigma * (1 + gamma);
  return { x: ctx.lincomb([1, x], [sNoise * Math.sqrt(raised ** 2 - sigma ** 2), noise]), sigma: raised };
}

/**
 * Timestep samplers leave the result at the noise level of their last timestep in variance-preserving scale; a run that
 * ends at 0, and flow models, need no change.
 */
export function toVariancePreserving<L>(ctx: SamplerContext<L, unknown>, x: L, sigmas: readonly number[]): L {
  const last = sigmas.at(-1) ?? 0;
  return last === 0 || ctx.model.parameterization === 'flow' ? x : ctx.lincomb([1 / Math.sqrt(1 + last ** 2), x]);
}
