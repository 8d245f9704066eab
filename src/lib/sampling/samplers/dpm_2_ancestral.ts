import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { modelAncestralStep } from './steps';

/** DPM2 to a lower level, then fresh noise. */
export const dpm2Ancestral = defineSampler(
  {
    id: 'dpm_2_ancestral',
    label: 'DPM2 a',
    aliases: ['k_dpm_2_a'],
    comfyui: ['dpm_2_ancestral'],
    options: { eta, sNoise },
    order: 2,
    callsPerStep: 2,
    preferredSchedule: 'karras',
    parameterizations: ['ve', 'flow'],
    secondOrder: true,
    discardPenultimate: true,
    usesEnsd: true,
    stochastic: true,
    webui: true,
    source: 'k-diffusion sample_dpm_2_ancestral; flow form as in Forge',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const { down, up, scale } = modelAncestralStep(ctx.model, sigma, next, ctx.options.eta);
      if (down === 0) {
        x = ctx.lincomb(
          [scale, denoised],
          ...(up > 0 ? [[ctx.options.sNoise * up, ctx.noise(sigma, next)] as const] : []),
        );
      } else {
        const middle = Math.sqrt(sigma * down);
        const ratio = middle / sigma;
        const half = ctx.lincomb([ratio, x], [1 - ratio, denoised]);
        const second = await ctx.denoise(half, middle);
        const slope = (scale * (down - sigma)) / middle;
        x = ctx.lincomb([scale, x], [slope, half], [-slope, second], [ctx.options.sNoise * up, ctx.noise(sigma, next)]);
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
