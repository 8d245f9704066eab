import { remember } from '../math';
import { defineSampler, sigmaPairs } from '../sampler';
import { toVariancePreserving } from './steps';

/** Adams-Bashforth weights of the noise predictions, newest first. */
const WEIGHTS = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const;

/** Pseudo linear multistep on the noise prediction; the first step averages two predictions. */
export const plms = defineSampler(
  {
    id: 'plms',
    label: 'PLMS',
    aliases: ['plms'],
    options: {},
    order: 4,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve'],
    timestepGrid: true,
    webui: true,
    source: 'Liu et al. 2022, PNDM, equation 12, with the first step of latent diffusion',
  },
  async (ctx, x, sigmas) => {
    let history: (typeof x)[] = [];
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const eps = ctx.lincomb([1 / sigma, x], [-1 / sigma, denoised]);
      history = remember(history, eps, 4);
      const step = next - sigma;
      if (i === 0 && next > 0) {
        const ahead = ctx.lincomb([1, x], [step, eps]);
        const second = await ctx.denoise(ahead, next);
        x = ctx.lincomb([1, x], [step / 2, eps], [step / 2 / next, ahead], [-step / 2 / next, second]);
      } else {
        const weights: readonly number[] = WEIGHTS[history.length - 1] ?? WEIGHTS[0];
        x = ctx.lincomb([1, x], ...history.map((e, k) => [step * (weights[k] as number), e] as const));
      }
      await ctx.onStep({ i, sigma, denoised, x, keep: history });
    }
    return toVariancePreserving(ctx, x, sigmas);
  },
);
