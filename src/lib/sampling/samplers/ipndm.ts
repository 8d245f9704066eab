import { remember } from '../math';
import type { OptionSchema } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';

const options = {
  maxOrder: {
    kind: 'number',
    default: 4,
    min: 1,
    max: 4,
    integer: true,
    about: 'Most slopes that are combined.',
  },
} as const satisfies OptionSchema;

/** Fixed Adams-Bashforth weights, newest slope first; the grid is treated as even. */
const WEIGHTS = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const;

/** Improved pseudo numerical method: Adams-Bashforth with fixed weights. */
export const ipndm = defineSampler(
  {
    id: 'ipndm',
    label: 'IPNDM',
    aliases: ['ipndm'],
    comfyui: ['ipndm'],
    sdcpp: ['ipndm'],
    options,
    order: 4,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'Zhang & Chen 2022, iPNDM',
  },
  async (ctx, x, sigmas) => {
    let slopes: (typeof x)[] = [];
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      slopes = remember(slopes, ctx.lincomb([1 / sigma, x], [-1 / sigma, denoised]), ctx.options.maxOrder);
      const weights: readonly number[] = WEIGHTS[slopes.length - 1] ?? WEIGHTS[0];
      x = ctx.lincomb([1, x], ...slopes.map((d, k) => [(next - sigma) * (weights[k] as number), d] as const));
      await ctx.onStep({ i, sigma, denoised, x, keep: slopes });
    }
    return x;
  },
);
