import { adamsBashforth, remember } from '../math';
import type { OptionSchema } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';

const options = {
  maxOrder: { kind: 'number', default: 3, min: 1, max: 4, integer: true, about: 'Most slopes that are combined.' },
  deisMode: {
    kind: 'choice',
    default: 'tab',
    choices: ['tab', 'rhoab'],
    about: 'tab: integrate in variance-preserving time; rhoab: integrate in sigma, exactly.',
  },
} as const satisfies OptionSchema;

/** Exponential integrator: polynomial extrapolation of the slopes in variance-preserving time. */
export const deis = defineSampler(
  {
    id: 'deis',
    label: 'DEIS',
    aliases: ['deis'],
    comfyui: ['deis'],
    options,
    order: 3,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'Zhang & Chen 2022, DEIS, tAB and rhoAB forms; discretisation of diff-sampler',
  },
  async (ctx, x, sigmas) => {
    let slopes: (typeof x)[] = [];
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      slopes = remember(slopes, ctx.lincomb([1 / sigma, x], [-1 / sigma, denoised]), ctx.options.maxOrder);
      const used = next > 0 ? slopes : slopes.slice(0, 1);
      const nodes = used.map((_, k) => sigmas[i - k] as number);
      const weights =
        used.length === 1
          ? [next - sigma]
          : ctx.options.deisMode === 'tab'
            ? tabWeights(nodes, next)
            : adamsBashforth(nodes, sigma, next);
      x = ctx.lincomb([1, x], ...used.map((d, k) => [weights[k] as number, d] as const));
      await ctx.onStep({ i, sigma, denoised, x, keep: slopes });
    }
    return x;
  },
);

// Variance-preserving time of EDM: sigma .002 at time .001, sigma 80 at time 1.
const LOG_MIN = Math.log(0.002 ** 2 + 1);
const LOG_MAX = Math.log(80 ** 2 + 1);
const BETA_D = (2 * (LOG_MIN / 1e-3 - LOG_MAX)) / (1e-3 - 1);
const BETA_MIN = LOG_MAX - 0.5 * BETA_D;
/** Points of the rectangle sum; both ends included while the width is 1/N, as upstream, so the sum is part of the rule. */
const POINTS = 10_000;

function vpTime(sigma: number): number {
  return (Math.sqrt(BETA_MIN ** 2 + 2 * BETA_D * Math.log(sigma ** 2 + 1)) - BETA_MIN) / BETA_D;
}

function tabWeights(nodes: readonly number[], next: number): number[] {
  const times = nodes.map(vpTime);
  const from = times[0] as number;
  const to = vpTime(next);
  const sums = times.map(() => 0);
  for (let p = 0; p < POINTS; p++) {
    const t = from + ((to - from) * p) / (POINTS - 1);
    const alpha = Math.exp(-0.5 * t * t * BETA_D - t * BETA_MIN);
    const integrand = (0.5 * (t * BETA_D + BETA_MIN)) / Math.sqrt(alpha * (1 - alpha));
    times.forEach((own, j) => {
      let basis = integrand;
      times.forEach((other, k) => {
        if (k !== j) basis *= (t - other) / (own - other);
      });
      sums[j] = (sums[j] as number) + basis;
    });
  }
  return sums.map((sum) => (sum * (to - from)) / POINTS);
}
