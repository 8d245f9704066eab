import { churn } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';
import { churned } from './steps';

/** Heun++: weights up to three slopes along the way by their sigma relative to the first sigma of the run. */
export const heunpp2 = defineSampler(
  {
    id: 'heunpp2',
    label: 'HeunPP2',
    aliases: ['heunpp2'],
    comfyui: ['heunpp2'],
    options: churn,
    order: 2,
    callsPerStep: 3,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'Forge and ComfyUI sample_heunpp2',
  },
  async (ctx, x, sigmas) => {
    const first = sigmas[0] ?? 1;
    const last = sigmas.at(-1);
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const start = churned(ctx, x, sigma, sigmas);
      const denoised = await ctx.denoise(start.x, start.sigma);
      const d1 = ctx.lincomb([1 / start.sigma, start.x], [-1 / start.sigma, denoised]);
      const dt = next - start.sigma;
      const x2 = ctx.lincomb([1, start.x], [dt, d1]);
      if (next === last) {
        x = x2;
      } else {
        const d2 = await slope(x2, next);
        const after = sigmas[i + 2] as number;
        if (after === last) {
          const w2 = next / (2 * first);
          x = ctx.lincomb([1, start.x], [dt * (1 - w2), d1], [dt * w2, d2]);
        } else {
          const d3 = await slope(ctx.lincomb([1, x2], [after - next, d2]), after);
          const [w2, w3] = [next / (3 * first), after / (3 * first)];
          x = ctx.lincomb([1, start.x], [dt * (1 - w2 - w3), d1], [dt * w2, d2], [dt * w3, d3]);
        }
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;

    async function slope(at: typeof x, sigma: number): Promise<typeof x> {
      return ctx.lincomb([1 / sigma, at], [-1 / sigma, await ctx.denoise(at, sigma)]);
    }
  },
);
