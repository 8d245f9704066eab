import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext, type SamplerMeta, type Term } from '../sampler';
import { alphaOf } from '../snr';
import { ancestralStep } from './steps';

const common = {
  aliases: [],
  preferredSchedule: 'normal',
  needsUncond: true,
  source: 'Chung et al. 2024, CFG++: the direction of a step comes from the unconditional prediction; ComfyUI forms',
} as const satisfies Partial<SamplerMeta>;

/** Euler with the unconditional direction. Useful guidance scales are about 1 to 2. */
export const eulerCfgpp = defineSampler(
  {
    ...common,
    id: 'euler_cfg_pp',
    label: 'Euler CFG++',
    comfyui: ['euler_cfg_pp'],
    sdcpp: ['euler_cfg_pp'],
    options: {},
    order: 1,
    callsPerStep: 1,
    parameterizations: ['ve', 'flow'],
  },
  (ctx, x, sigmas) => euler(ctx, x, sigmas, { eta: 0, sNoise: 0 }),
);

export const eulerAncestralCfgpp = defineSampler(
  {
    ...common,
    id: 'euler_ancestral_cfg_pp',
    label: 'Euler a CFG++',
    comfyui: ['euler_ancestral_cfg_pp'],
    sdcpp: ['euler_a_cfg_pp'],
    options: { eta, sNoise },
    order: 1,
    callsPerStep: 1,
    parameterizations: ['ve', 'flow'],
    stochastic: true,
  },
  (ctx, x, sigmas) => euler(ctx, x, sigmas, ctx.options),
);

async function euler<L>(
  ctx: SamplerContext<L, unknown>,
  x: L,
  sigmas: readonly number[],
  rule: { readonly eta: number; readonly sNoise: number },
): Promise<L> {
  for (const [i, sigma, next] of sigmaPairs(sigmas)) {
    const denoised = await ctx.denoise(x, sigma);
    if (next === 0) {
      x = ctx.lincomb([1, denoised]);
    } else {
      const alpha = alphaOf(ctx.model, sigma);
      const alphaNext = alphaOf(ctx.model, next);
      // At flow sigma 1 the ratio is infinite and the split tends to its limit.
      const { down, up } = ancestralStep(sigma / alpha, next / alphaNext, rule.eta);
      const direction = (alphaNext * down) / sigma;
      const noise = alphaNext * rule.sNoise * up;
      x = ctx.lincomb(
        [alphaNext, denoised],
        [direction, x],
        [-direction * alpha, ctx.uncond()],
        ...(noise > 0 ? [[noise, ctx.noise(sigma, next)] as const] : []),
      );
    }
    await ctx.onStep({ i, sigma, denoised, x });
  }
  return x;
}

export const dpmpp2sAncestralCfgpp = defineSampler(
  {
    ...common,
    id: 'dpmpp_2s_ancestral_cfg_pp',
    label: 'DPM++ 2S a CFG++',
    comfyui: ['dpmpp_2s_ancestral_cfg_pp'],
    options: { eta, sNoise },
    order: 2,
    callsPerStep: 2,
    parameterizations: ['ve'],
    secondOrder: true,
    stochastic: true,
  },
  async (ctx, x, sigmas) => {
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const { down, up } = ancestralStep(sigma, next, ctx.options.eta);
      const noise: Term<typeof x>[] = next > 0 ? [[ctx.options.sNoise * up, ctx.noise(sigma, next)]] : [];
      if (down === 0) {
        x = ctx.lincomb([1, denoised], ...noise);
      } else {
        const middle = Math.sqrt(sigma * down);
        const [half, keep] = [middle / sigma, down / sigma];
        const inner = ctx.lincomb([half, x], [half, denoised], [-half, ctx.uncond()], [1 - half, denoised]);
        const second = await ctx.denoise(inner, middle);
        // The correction of the full step takes the unconditional prediction of the inner point, as upstream.
        x = ctx.lincomb([keep, x], [keep, denoised], [-keep, ctx.uncond()], [1 - keep, second], ...noise);
      }
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);

export const dpmpp2mCfgpp = defineSampler(
  {
    ...common,
    id: 'dpmpp_2m_cfg_pp',
    label: 'DPM++ 2M CFG++',
    comfyui: ['dpmpp_2m_cfg_pp'],
    options: {},
    order: 2,
    callsPerStep: 1,
    parameterizations: ['ve'],
  },
  async (ctx, x, sigmas) => {
    let previous: { sigma: number; uncond: typeof x } | undefined;
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      const uncond = ctx.uncond();
      const keep = next / sigma;
      const terms: Term<typeof x>[] = [
        [1, denoised],
        [-keep, uncond],
        [keep, x],
      ];
      if (previous !== undefined && next > 0) {
        const q = ((1 - keep) * Math.log(sigma / next)) / (2 * Math.log(previous.sigma / sigma));
        terms.push([q, denoised], [-q, previous.uncond]);
      }
      x = ctx.lincomb(...terms);
      await ctx.onStep({ i, sigma, denoised, x, keep: [uncond] });
      previous = { sigma, uncond };
    }
    return x;
  },
);
