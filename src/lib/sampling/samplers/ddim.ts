import type { OptionDef } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext } from '../sampler';
import { ancestralStep, toVariancePreserving } from './steps';

const eta = {
  kind: 'number',
  default: 0,
  min: 0,
  max: 1,
  infotext: 'Eta DDIM',
  about: 'Share of fresh noise per step; 0 makes the sampler deterministic.',
} as const satisfies OptionDef;

const common = {
  options: { eta },
  order: 1,
  callsPerStep: 1,
  preferredSchedule: 'uniform',
  stochastic: true,
  timestepGrid: true,
  webui: true,
} as const;

/**
 * DDIM. In x/sqrt(alpha_bar) it is Euler, and eta is the ancestral split; the result is returned variance-preserving
 * (times sqrt(alpha_bar) of the last level), as the web UIs leave it.
 */
export const ddim = defineSampler(
  {
    ...common,
    id: 'ddim',
    label: 'DDIM',
    aliases: ['ddim'],
    comfyui: ['ddim'],
    sdcpp: ['ddim_trailing'],
    parameterizations: ['ve', 'flow'],
    source: 'Song et al. 2020, DDIM, equation 12',
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, (denoised) => denoised),
);

/** DDIM whose direction term uses the unconditional prediction; the guidance scale is meant for 0..1 (see guidanceDivisor). */
export const ddimCfgpp = defineSampler(
  {
    ...common,
    id: 'ddim_cfgpp',
    label: 'DDIM CFG++',
    aliases: ['ddim_cfgpp'],
    parameterizations: ['ve'],
    needsUncond: true,
    guidanceDivisor: 12.5,
    source: 'Chung et al. 2024, CFG++, algorithm 1',
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, () => ctx.uncond()),
);

async function run<L>(
  ctx: SamplerContext<L, { readonly eta: number }>,
  x: L,
  sigmas: readonly number[],
  direction: (denoised: L) => L,
): Promise<L> {
  for (const [i, sigma, next] of sigmaPairs(sigmas)) {
    const denoised = await ctx.denoise(x, sigma);
    const { down, up } = ancestralStep(sigma, next, ctx.options.eta);
    x = ctx.lincomb(
      [1, denoised],
      [down / sigma, x],
      [-down / sigma, direction(denoised)],
      ...(up > 0 ? [[up, ctx.noise(sigma, next)] as const] : []),
    );
    await ctx.onStep({ i, sigma, denoised, x });
  }
  return toVariancePreserving(ctx, x, sigmas);
}
