import type { OptionSchema } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext, type SamplerMeta, type Term } from '../sampler';

const options = {
  geGamma: { kind: 'number', default: 2, min: 0, max: 10, about: 'Extrapolation of the slope; 1 is Euler.' },
} as const satisfies OptionSchema;

const common = {
  aliases: [],
  options,
  order: 1,
  callsPerStep: 1,
  preferredSchedule: 'normal',
  parameterizations: ['ve', 'flow'],
  source:
    'Permenter & Yuan 2023, Interpreting and improving diffusion models from an optimization perspective, algorithm 2',
} as const satisfies Partial<SamplerMeta>;

export const gradientEstimation = defineSampler(
  {
    ...common,
    id: 'gradient_estimation',
    label: 'Gradient Estimation',
    comfyui: ['gradient_estimation'],
    sdcpp: ['euler_ge'],
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, false),
);

export const gradientEstimationCfgpp = defineSampler(
  {
    ...common,
    id: 'gradient_estimation_cfg_pp',
    label: 'Gradient Estimation CFG++',
    comfyui: ['gradient_estimation_cfg_pp'],
    needsUncond: true,
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, true),
);

async function run<L>(
  ctx: SamplerContext<L, { readonly geGamma: number }>,
  x: L,
  sigmas: readonly number[],
  cfgPlusPlus: boolean,
): Promise<L> {
  let previous: L | undefined;
  for (const [i, sigma, next] of sigmaPairs(sigmas)) {
    const denoised = await ctx.denoise(x, sigma);
    const slope = ctx.lincomb([1 / sigma, x], [-1 / sigma, cfgPlusPlus ? ctx.uncond() : denoised]);
    if (next === 0) {
      x = ctx.lincomb([1, denoised]);
    } else {
      const extra = (ctx.options.geGamma - 1) * (next - sigma);
      const terms: Term<L>[] = cfgPlusPlus
        ? [
            [1, denoised],
            [next, slope],
          ]
        : [
            [1, x],
            [next - sigma, slope],
          ];
      if (previous !== undefined) terms.push([extra, slope], [-extra, previous]);
      x = ctx.lincomb(...terms);
    }
    await ctx.onStep({ i, sigma, denoised, x, keep: [slope] });
    previous = slope;
  }
  return x;
}
