import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { modelAncestralStep } from './steps';

/** Euler to a lower level, then fresh noise up to the next one; flow models use the variance-keeping form. */
export const eulerAncestral = defineSampler(
  {
    id: 'euler_ancestral',
    label: 'Euler a',
    aliases: ['k_euler_a', 'k_euler_ancestral'],
    comfyui: ['euler_ancestral'],
    sdcpp: ['euler_a'],
    options: { eta, sNoise },
    order: 1,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    usesEnsd: true,
    stochastic: true,
    webui: true,
    source: 'k-diffusion sample_euler_ancestral; flow form as in Forge and ComfyUI',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const { down, up, scale } = modelAncestralStep(ctx.model, sigma, next, ctx.options.eta);
      const keep = scale * (down / sigma);
      x =
        next > 0
          ? ctx.lincomb([keep, x], [scale - keep, denoised], [ctx.options.sNoise * up, ctx.noise(sigma, next)])
          : ctx.lincomb([1, denoised]);
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
