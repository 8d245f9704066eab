/** Pieces of a step that several samplers share. */
import type { SamplerContext } from '../sampler';

/** How an ancestral step divides the way to the next noise level: down without noise, then noise of level `up`. */
export interface AncestralStep {
  readonly down: number;
  readonly up: number;
}

/** Source: k-diffusion get_ancestral_step. eta 0 gives down = next, up = 0. */
export function ancestralStep(sigma: number, next: number, eta: number): AncestralStep {
  const up = Math.min(next, eta * Math.sqrt((next ** 2 * (sigma ** 2 - next ** 2)) / sigma ** 2));
  return { down: Math.sqrt(next ** 2 - up ** 2), up };
}

/** Ancestral step of a rectified flow: after going down, x is scaled and noise of level `up` is added. */
export interface FlowAncestralStep extends AncestralStep {
  readonly scale: number;
}

/** Source: the rectified-flow form of the ancestral step (Forge and ComfyUI use the same): keeps (1-next) as signal share. */
export function flowAncestralStep(sigma: number, next: number, eta: number): FlowAncestralStep {
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
