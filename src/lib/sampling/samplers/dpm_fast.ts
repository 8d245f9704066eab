import { eta, sNoise } from '../options';
import { defineSampler } from '../sampler';
import { linspace } from '../schedule';
import { noisyTarget, slopeAt, step1, step2, step3 } from './dpm_solver';

/** DPM-Solver of mixed orders with n model calls in all; takes only the range of the schedule. */
export const dpmFast = defineSampler(
  {
    id: 'dpm_fast',
    label: 'DPM fast',
    aliases: ['k_dpm_fast'],
    comfyui: ['dpm_fast'],
    options: { eta, sNoise },
    order: 3,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve'],
    rangeOnly: true,
    usesEnsd: true,
    stochastic: true,
    webui: true,
    source: 'Lu et al. 2022, DPM-Solver-fast; k-diffusion dpm_solver_fast',
  },
  async (ctx, x, sigmas) => {
    const calls = Math.max(sigmas.length - 1, 1);
    const segments = Math.floor(calls / 3) + 1;
    const last = calls % 3 === 0 ? [2, 1] : [calls % 3];
    const orders = [...Array.from({ length: segments - last.length }, () => 3), ...last];
    const end = -Math.log(ctx.range.sigmaMin);
    const times = linspace(-Math.log(ctx.range.sigmaMax), end, segments + 1);
    for (const [i, order] of orders.entries()) {
      const [t, next] = [times[i] as number, times[i + 1] as number];
      const { to, up } = noisyTarget(t, next, end, ctx.options.eta);
      const from = await slopeAt(ctx, x, t);
      const moved =
        order === 1
          ? step1(ctx, from, to)
          : order === 2
            ? (await step2(ctx, from, to, 1 / 2)).x
            : await step3(ctx, from, to);
      const [sigma, sigmaNext] = [Math.exp(-t), Math.exp(-next)];
      x = up > 0 ? ctx.lincomb([1, moved], [up * ctx.options.sNoise, ctx.noise(sigma, sigmaNext)]) : moved;
      await ctx.onStep({ i, sigma, denoised: from.denoised, x });
    }
    return x;
  },
);
