import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext, type SamplerMeta, type Term } from '../sampler';
import { ancestralStep } from './steps';

const common = {
  aliases: [],
  order: 2,
  callsPerStep: 1,
  preferredSchedule: 'normal',
  parameterizations: ['ve', 'flow'],
  source: 'Zhang et al. 2023, refined exponential solver (RES), multistep form with c2 from history',
} as const satisfies Partial<SamplerMeta>;

export const resMultistep = defineSampler(
  {
    ...common,
    id: 'res_multistep',
    label: 'RES Multistep',
    comfyui: ['res_multistep'],
    sdcpp: ['res_multistep'],
    options: {},
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, { eta: 0, sNoise: 0, cfgPlusPlus: false }),
);

export const resMultistepAncestral = defineSampler(
  {
    ...common,
    id: 'res_multistep_ancestral',
    label: 'RES Multistep a',
    comfyui: ['res_multistep_ancestral'],
    options: { eta, sNoise },
    stochastic: true,
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, { ...ctx.options, cfgPlusPlus: false }),
);

export const resMultistepCfgpp = defineSampler(
  {
    ...common,
    id: 'res_multistep_cfg_pp',
    label: 'RES Multistep CFG++',
    comfyui: ['res_multistep_cfg_pp'],
    options: {},
    needsUncond: true,
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, { eta: 0, sNoise: 0, cfgPlusPlus: true }),
);

export const resMultistepAncestralCfgpp = defineSampler(
  {
    ...common,
    id: 'res_multistep_ancestral_cfg_pp',
    label: 'RES Multistep a CFG++',
    comfyui: ['res_multistep_ancestral_cfg_pp'],
    options: { eta, sNoise },
    needsUncond: true,
    stochastic: true,
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, { ...ctx.options, cfgPlusPlus: true }),
);

interface Rule {
  readonly eta: number;
  readonly sNoise: number;
  readonly cfgPlusPlus: boolean;
}

async function run<L>(ctx: SamplerContext<L, unknown>, x: L, sigmas: readonly number[], rule: Rule): Promise<L> {
  let previous: { down: number; sigma: number; estimate: L } | undefined;
  for (const [i, sigma, next] of sigmaPairs(sigmas)) {
    const denoised = await ctx.denoise(x, sigma);
    const estimate = rule.cfgPlusPlus ? ctx.uncond() : denoised;
    const { down, up } = ancestralStep(sigma, next, rule.eta);
    const keep = down / sigma;
    const terms: Term<L>[] = [[keep, x]];
    if (down === 0 || previous === undefined) {
      terms.push([1, denoised], [-keep, estimate]);
    } else {
      const h = Math.log(sigma / down);
      const c2 = Math.log(previous.down / previous.sigma) / h;
      const phi1 = Math.expm1(-h) / -h;
      const phi2 = (phi1 - 1) / -h;
      // The first step's down level equals its sigma when nothing happened in between.
      const older = c2 === 0 ? 0 : (h * phi2) / c2;
      terms.push([h * phi1 - (c2 === 0 ? h * phi1 : older), estimate], [older, previous.estimate]);
      if (rule.cfgPlusPlus) terms.push([keep, denoised], [-keep, estimate]);
    }
    if (next > 0 && up > 0 && rule.sNoise > 0) terms.push([up * rule.sNoise, ctx.noise(sigma, next)]);
    x = ctx.lincomb(...terms);
    await ctx.onStep({ i, sigma, denoised, x, keep: [estimate] });
    previous = { down, sigma, estimate };
  }
  return x;
}
