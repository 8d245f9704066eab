import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext, type SamplerMeta, type Term } from '../sampler';
import { alphaOf, lambdaOf, offsetFirstSigma, sigmaOfLambda } from '../snr';

const common = {
  aliases: [],
  options: { eta, sNoise },
  preferredSchedule: 'normal',
  parameterizations: ['ve', 'flow'],
  stochastic: true,
  source: 'Gonzalez et al. 2023, SEEDS: exponential SDE solvers, data prediction',
} as const satisfies Partial<SamplerMeta>;

/** Inner points of the two solvers as shares of the step in half log-SNR. */
const STAGES = { 2: [1 / 2, 1], 3: [1 / 3, 2 / 3, 1] } as const;

export const seeds2 = defineSampler(
  { ...common, id: 'seeds_2', label: 'SEEDS-2', comfyui: ['seeds_2'], order: 2, callsPerStep: 2, secondOrder: true },
  (ctx, x, sigmas) => run(ctx, x, sigmas, 2),
);

export const seeds3 = defineSampler(
  { ...common, id: 'seeds_3', label: 'SEEDS-3', comfyui: ['seeds_3'], order: 3, callsPerStep: 3 },
  (ctx, x, sigmas) => run(ctx, x, sigmas, 3),
);

type Ctx<L> = SamplerContext<L, { readonly eta: number; readonly sNoise: number }>;

async function run<L>(ctx: Ctx<L>, x: L, given: readonly number[], order: 2 | 3): Promise<L> {
  const { eta, sNoise } = ctx.options;
  const stages = STAGES[order];
  for (const [i, sigma, next] of sigmaPairs(offsetFirstSigma(ctx.model, given))) {
    const start = x;
    const denoised = await ctx.denoise(start, sigma);
    if (next === 0) {
      x = ctx.lincomb([1, denoised]);
      await ctx.onStep({ i, sigma, denoised, x });
      continue;
    }
    const lambda = lambdaOf(ctx.model, sigma);
    const h = lambdaOf(ctx.model, next) - lambda;
    const he = h * (1 + eta);
    let inner = denoised;
    const noises: { readonly share: number; readonly latent: L }[] = [];
    let from = sigma;
    let share = 0;
    for (const r of stages) {
      const to = r === 1 ? next : sigmaOfLambda(ctx.model, lambda + r * h);
      if (share > 0) inner = await ctx.denoise(x, from);
      if (eta > 0 && sNoise > 0) noises.push({ share: r, latent: ctx.noise(from, to) });
      const gain = Math.expm1(-r * he);
      const alpha = alphaOf(ctx.model, to);
      // Second-order share of the newest inner estimate: exact phi function for order 3, midpoint weight for order 2.
      const second = share === 0 ? 0 : order === 2 ? -gain / (2 * share) : (r / share) * (gain / (r * he) + 1);
      const terms: Term<L>[] = [
        [(to / sigma) * Math.exp(-r * h * eta), start],
        [-alpha * (gain + second), denoised],
        [alpha * second, inner],
      ];
      let before = 0;
      for (const noise of noises) {
        // What is left at r of the noise that came in between `before` and `noise.share`.
        const left = Math.exp(-2 * (r - noise.share) * h * eta) - Math.exp(-2 * (r - before) * h * eta);
        terms.push([to * sNoise * Math.sqrt(Math.max(left, 0)), noise.latent]);
        before = noise.share;
      }
      x = ctx.lincomb(...terms);
      from = to;
      share = r;
    }
    await ctx.onStep({ i, sigma, denoised, x });
  }
  return x;
}
