import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { ancestralStep, flowAncestralStep } from './steps';

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
    const flow = ctx.model.parameterization === 'flow';
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const { down, up } = flow
        ? flowAncestralStep(sigma, next, ctx.options.eta)
        : ancestralStep(sigma, next, ctx.options.eta);
      const scale = flow ? (1 - next) / (1 - down) : 1;
      const keep = down / sigma;
      x =
        next > 0
          ? ctx.lincomb(
              [scale * keep, x],
              [scale * (1 - keep), denoised],
              [ctx.options.sNoise * up, ctx.noise(sigma, next)],
            )
          : ctx.lincomb([keep, x], [1 - keep, denoised]);
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
