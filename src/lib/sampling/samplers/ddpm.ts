import { sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';

/** The ancestral step of the original paper, rewritten from alphas to sigmas. */
export const ddpm = defineSampler(
  {
    id: 'ddpm',
    label: 'DDPM',
    aliases: ['ddpm'],
    comfyui: ['ddpm'],
    options: { sNoise },
    order: 1,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve'],
    stochastic: true,
    webui: true,
    source: 'Ho et al. 2020, algorithm 2; with alpha_bar = 1 / (1 + sigma^2)',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const bar = 1 / (1 + sigma ** 2);
      const barNext = 1 / (1 + next ** 2);
      const alpha = bar / barNext;
      // mean = (x~ - (1 - alpha) / sqrt(1 - bar) * eps) / sqrt(alpha), x~ = sqrt(bar) * x, eps = (x - D) / sigma
      const eps = (1 - alpha) / Math.sqrt(1 - bar) / sigma;
      const scale = Math.sqrt(1 + next ** 2) / Math.sqrt(alpha);
      const noise = Math.sqrt(((1 - alpha) * (1 - barNext)) / (1 - bar)) * Math.sqrt(1 + next ** 2);
      x = ctx.lincomb(
        [scale * (Math.sqrt(bar) - eps), x],
        [scale * eps, denoised],
        ...(next > 0 ? [[ctx.options.sNoise * noise, ctx.noise(sigma, next)] as const] : []),
      );
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
