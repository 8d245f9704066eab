import { sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';

/** Consistency sampling: jump to the clean estimate, then noise it to the next level. */
export const lcm = defineSampler(
  {
    id: 'lcm',
    label: 'LCM',
    aliases: ['k_lcm'],
    comfyui: ['lcm'],
    sdcpp: ['lcm'],
    options: { sNoise },
    order: 1,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    stochastic: true,
    webui: true,
    source: 'Luo et al. 2023, Latent Consistency Models, algorithm 1 (multistep)',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const { latent, noise } = ctx.model.startCoefficients(next);
      x =
        next > 0
          ? ctx.lincomb([latent, denoised], [noise * ctx.options.sNoise, ctx.noise(sigma, next)])
          : ctx.lincomb([1, denoised]);
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
