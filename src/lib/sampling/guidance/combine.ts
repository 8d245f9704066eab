/**
 * Guidance that is a linear combination of predictions: runs on any latents (device buffers too). All inputs and the
 * result are denoised predictions; eps, v and flow predictions at one sigma combine the same way.
 */
import type { Term } from '../sampler';

type Lincomb<L> = (...terms: readonly Term<L>[]) => L;

/** Classifier-free guidance: uncond + scale * (cond - uncond). Source: Ho & Salimans 2022, equation 6. */
export function cfg<L>(lincomb: Lincomb<L>, cond: L, uncond: L, scale: number): L {
  return lincomb([1 - scale, uncond], [scale, cond]);
}

export interface WeightedCond<L> {
  readonly cond: L;
  readonly weight: number;
}

/** Several prompts joined by AND: uncond + sum of weight * scale * (cond - uncond). Source: Liu et al. 2022, composable diffusion. */
export function cfgAnd<L>(lincomb: Lincomb<L>, conds: readonly WeightedCond<L>[], uncond: L, scale: number): L {
  const total = conds.reduce((sum, c) => sum + c.weight, 0);
  return lincomb([1 - scale * total, uncond], ...conds.map((c): Term<L> => [scale * c.weight, c.cond]));
}

export interface EditPredictions<L> {
  /** Text and image. */
  readonly cond: L;
  /** Image only. */
  readonly imageCond: L;
  readonly uncond: L;
}

/** Instruct editing with two scales. Source: Brooks et al. 2022, InstructPix2Pix, equation 3. */
export function cfgEdit<L>(lincomb: Lincomb<L>, p: EditPredictions<L>, scale: number, imageScale: number): L {
  return cfgEditAnd(lincomb, [{ cond: p.cond, weight: 1 }], p, { scale, imageScale });
}

/** The same for several prompts joined by AND. */
export function cfgEditAnd<L>(
  lincomb: Lincomb<L>,
  conds: readonly WeightedCond<L>[],
  { imageCond, uncond }: Omit<EditPredictions<L>, 'cond'>,
  { scale, imageScale }: { readonly scale: number; readonly imageScale: number },
): L {
  const total = conds.reduce((sum, c) => sum + c.weight, 0);
  const prompts = conds.map((c): Term<L> => [scale * c.weight, c.cond]);
  return lincomb(...prompts, [imageScale - scale * total, imageCond], [1 - imageScale, uncond]);
}

export interface PagPredictions<L> {
  readonly cond: L;
  readonly uncond: L;
  /** Prediction with identity self-attention. */
  readonly degraded: L;
}

/** Perturbed-attention guidance on top of CFG: + pagScale * (cond - degraded). Source: Ahn et al. 2024. */
export function cfgPag<L>(lincomb: Lincomb<L>, p: PagPredictions<L>, scale: number, pagScale: number): L {
  return lincomb([1 - scale, p.uncond], [scale + pagScale, p.cond], [-pagScale, p.degraded]);
}

/** PAG scale of each step when it fades by `attenuation` percent of the start value per step; never below zero. */
export function pagScales(scale: number, attenuation: number, steps: number): number[] {
  const scales: number[] = [];
  let current = scale;
  for (let i = 0; i < steps; i++) {
    scales.push(Math.max(current, 0));
    if (current > 0) current -= (scale * attenuation) / 100;
  }
  return scales;
}

export interface SkipRules {
  /** Guidance scale of the job. */
  readonly scale: number;
  /** Share of the run without guidance at its start (`Skip Early CFG`), 0 = off. */
  readonly skipEarly: number;
  /** Below this sigma the unconditional pass is skipped (`NGMS`), 0 = off. */
  readonly ngms: number;
  /** NGMS on all calls, not only the odd ones. */
  readonly ngmsAll: boolean;
}

/**
 * Guidance scale that really acts in one model call; 1 means the unconditional pass can be left out.
 * @param call  model calls so far (not steps)
 * @param totalCalls  steps, doubled for second-order samplers
 * Source: web UI rules; the early rule includes the call exactly at the fraction
 */
export function effectiveScale(rules: SkipRules, call: number, totalCalls: number, sigma: number): number {
  if (rules.skipEarly > 0 && call / totalCalls <= rules.skipEarly) return 1;
  const ngmsCall = call % 2 === 1 || rules.ngmsAll;
  return ngmsCall && rules.ngms > 0 && sigma < rules.ngms ? 1 : rules.scale;
}
