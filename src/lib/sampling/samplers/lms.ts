import { adamsBashforth, remember } from '../math';
import { defineSampler, sigmaPairs } from '../sampler';

/** Linear multistep: Adams-Bashforth of order 4 on the uneven sigma grid, coefficients integrated exactly. */
export const lms = defineSampler(
  {
    id: 'lms',
    label: 'LMS',
    aliases: ['k_lms'],
    comfyui: ['lms'],
    sdcpp: ['lms'],
    options: {},
    order: 4,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'k-diffusion sample_lms (there integrated numerically)',
  },
  async (ctx, x, sigmas) => {
    let slopes: (typeof x)[] = [];
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      slopes = remember(slopes, ctx.lincomb([1 / sigma, x], [-1 / sigma, denoised]), 4);
      const nodes = slopes.map((_, k) => sigmas[i - k] as number);
      const weights = adamsBashforth(nodes, sigma, next);
      x = ctx.lincomb([1, x], ...slopes.map((slope, k) => [weights[k] as number, slope] as const));
      await ctx.onStep({ i, sigma, denoised, x, keep: slopes });
    }
    return x;
  },
);
