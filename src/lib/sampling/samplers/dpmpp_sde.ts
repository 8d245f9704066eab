import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { alphaOf, lambdaOf, offsetFirstSigma, sigmaOfLambda } from '../snr';
import { ancestralStep } from './steps';

/** Stochastic DPM-Solver++ with one inner point at half the log-SNR way; both sub-steps add Brownian noise. */
export const dpmppSde = defineSampler(
  {
    id: 'dpmpp_sde',
    label: 'DPM++ SDE',
    aliases: ['k_dpmpp_sde'],
    comfyui: ['dpmpp_sde', 'dpmpp_sde_gpu'],
    options: { eta, sNoise },
    order: 2,
    callsPerStep: 2,
    preferredSchedule: 'karras',
    parameterizations: ['ve', 'flow'],
    secondOrder: true,
    brownian: true,
    stochastic: true,
    webui: true,
    source: 'k-diffusion sample_dpmpp_sde, r = 1/2; flow form as in ComfyUI (half log-SNR)',
  },
  async (ctx, x, given) => {
    const sigmas = offsetFirstSigma(ctx.model, given);
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      if (next === 0) {
        x = ctx.lincomb([1, denoised]);
      } else {
        const lambda = lambdaOf(ctx.model, sigma);
        const middle = sigmaOfLambda(ctx.model, (lambda + lambdaOf(ctx.model, next)) / 2);
        const half = move(x, denoised, sigma, middle);
        x = move(x, await ctx.denoise(half, middle), sigma, next);
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;

    /** One ancestral sub-step in units of sigma/alpha, along the estimate `towards`. */
    function move(from: typeof x, towards: typeof x, sigma: number, to: number): typeof x {
      const alpha = alphaOf(ctx.model, sigma);
      const alphaTo = alphaOf(ctx.model, to);
      const { down, up } = ancestralStep(sigma / alpha, to / alphaTo, ctx.options.eta);
      const ratio = (down * alpha) / sigma;
      return ctx.lincomb(
        [(alphaTo / alpha) * ratio, from],
        [alphaTo * (1 - ratio), towards],
        [alphaTo * ctx.options.sNoise * up, ctx.noise(sigma, to)],
      );
    }
  },
);
