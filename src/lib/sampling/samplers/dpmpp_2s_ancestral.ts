import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { lambdaOf, sigmaOfLambda } from '../snr';
import { modelAncestralStep } from './steps';

/** DPM-Solver++(2S) with the middle at half the way in log-SNR, then fresh noise. */
export const dpmpp2sAncestral = defineSampler(
  {
    id: 'dpmpp_2s_ancestral',
    label: 'DPM++ 2S a',
    aliases: ['k_dpmpp_2s_a'],
    comfyui: ['dpmpp_2s_ancestral'],
    sdcpp: ['dpm++2s_a'],
    options: { eta, sNoise },
    order: 2,
    callsPerStep: 2,
    preferredSchedule: 'karras',
    parameterizations: ['ve', 'flow'],
    secondOrder: true,
    usesEnsd: true,
    stochastic: true,
    webui: true,
    source: 'Lu et al. 2022, DPM-Solver++, algorithm 1; k-diffusion sample_dpmpp_2s_ancestral; flow form as in ComfyUI',
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const { down, up, scale } = modelAncestralStep(ctx.model, sigma, next, ctx.options.eta);
      if (next === 0 || down === 0) {
        x = ctx.lincomb(
          [scale, denoised],
          ...(up > 0 ? [[ctx.options.sNoise * up, ctx.noise(sigma, next)] as const] : []),
        );
      } else {
        const lambda = lambdaOf(ctx.model, sigma);
        // Pure noise has no finite log-SNR.
        const middle = Number.isFinite(lambda)
          ? sigmaOfLambda(ctx.model, (lambda + lambdaOf(ctx.model, down)) / 2)
          : 0.9999;
        const half = ctx.lincomb([middle / sigma, x], [1 - middle / sigma, denoised]);
        const second = await ctx.denoise(half, middle);
        const keep = scale * (down / sigma);
        x = ctx.lincomb([keep, x], [scale - keep, second], [ctx.options.sNoise * up, ctx.noise(sigma, next)]);
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);
