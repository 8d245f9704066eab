import { defineSampler, sigmaPairs } from '../sampler';

/** DPM-Solver++(2M), data prediction: an exponential integrator with a linear extrapolation of D. */
export const dpmpp2m = defineSampler(
  {
    id: 'dpmpp_2m',
    label: 'DPM++ 2M',
    aliases: ['k_dpmpp_2m'],
    comfyui: ['dpmpp_2m'],
    sdcpp: ['dpm++2m'],
    options: {},
    order: 2,
    callsPerStep: 1,
    preferredSchedule: 'karras',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'Lu et al. 2022, DPM-Solver++, algorithm 2; k-diffusion sample_dpmpp_2m',
  },
  async (ctx, x, sigmas) => {
    let previous: { sigma: number; denoised: typeof x } | undefined;
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const keep = next / sigma;
      if (previous !== undefined && next > 0) {
        const q = Math.log(sigma / next) / (2 * Math.log(previous.sigma / sigma));
        x = ctx.lincomb([keep, x], [(1 - keep) * (1 + q), denoised], [-(1 - keep) * q, previous.denoised]);
      } else {
        // First step: no history. Last step: log(next) is undefined at 0, and Euler is exact.
        x = ctx.lincomb([keep, x], [1 - keep, denoised]);
      }
      await ctx.onStep({ i, sigma, denoised, x, keep: [denoised] });
      previous = { sigma, denoised };
    }
    return x;
  },
);
