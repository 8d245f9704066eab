import { churn } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { churned } from './steps';

/** Midpoint rule with the middle at the geometric mean of the two levels. */
export const dpm2 = defineSampler(
  {
    id: 'dpm_2',
    label: 'DPM2',
    aliases: ['k_dpm_2'],
    comfyui: ['dpm_2'],
    sdcpp: ['dpm2'],
    options: churn,
    order: 2,
    callsPerStep: 2,
    preferredSchedule: 'karras',
    parameterizations: ['ve', 'flow'],
    secondOrder: true,
    discardPenultimate: true,
    webui: true,
    source: 'Lu et al. 2022, DPM-Solver-2; k-diffusion sample_dpm_2',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const start = churned(ctx, x, sigma, sigmas);
      const denoised = await ctx.denoise(start.x, start.sigma);
      if (next === 0) {
        x = ctx.lincomb([1, denoised]);
      } else {
        const middle = Math.sqrt(start.sigma * next);
        const ratio = middle / start.sigma;
        const half = ctx.lincomb([ratio, start.x], [1 - ratio, denoised]);
        const second = await ctx.denoise(half, middle);
        const slope = (next - start.sigma) / middle;
        x = ctx.lincomb([1, start.x], [slope, half], [-slope, second]);
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
