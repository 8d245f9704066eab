import { churn } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { churned } from './steps';

/** Euler with optional churn: x += (x - D)/sigma * (next - sigma). */
export const euler = defineSampler(
  {
    id: 'euler',
    label: 'Euler',
    aliases: ['k_euler'],
    comfyui: ['euler'],
    sdcpp: ['euler'],
    options: churn,
    order: 1,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'Karras et al. 2022, algorithm 2 without the second-order correction; k-diffusion sample_euler',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const start = churned(ctx, x, sigma, sigmas);
      const denoised = await ctx.denoise(start.x, start.sigma);
      const keep = next / start.sigma;
      x = ctx.lincomb([keep, start.x], [1 - keep, denoised]);
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
