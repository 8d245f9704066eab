import { churn } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { churned } from './steps';

/** Heun's second-order step: average of the slopes at both ends; the last step is Euler. */
export const heun = defineSampler(
  {
    id: 'heun',
    label: 'Heun',
    aliases: ['k_heun'],
    comfyui: ['heun'],
    sdcpp: ['heun'],
    options: churn,
    order: 2,
    callsPerStep: 2,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    secondOrder: true,
    webui: true,
    source: 'Karras et al. 2022, algorithm 2',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const start = churned(ctx, x, sigma, sigmas);
      const denoised = await ctx.denoise(start.x, start.sigma);
      const keep = next / start.sigma;
      const euler = ctx.lincomb([keep, start.x], [1 - keep, denoised]);
      if (next === 0) {
        x = euler;
      } else {
        const second = await ctx.denoise(euler, next);
        const half = (next - start.sigma) / 2;
        x = ctx.lincomb(
          [1 + half / start.sigma, start.x],
          [-half / start.sigma, denoised],
          [half / next, euler],
          [-half / next, second],
        );
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
