import { eta, sNoise } from '../options';
import type { OptionSchema } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext } from '../sampler';
import { alphaOf, lambdaOf, offsetFirstSigma } from '../snr';

const about = 'How the change of the estimate is weighted: midpoint or Heun form of the second-order term.';
const midpoint = {
  eta,
  sNoise,
  solverType: { kind: 'choice', default: 'midpoint', choices: ['midpoint', 'heun'], about },
} as const satisfies OptionSchema;
const heun = { ...midpoint, solverType: { ...midpoint.solverType, default: 'heun' } } as const satisfies OptionSchema;

const common = {
  order: 2,
  callsPerStep: 1,
  preferredSchedule: 'exponential',
  parameterizations: ['ve', 'flow'],
  brownian: true,
  stochastic: true,
  webui: true,
  source: 'Lu et al. 2022, SDE-DPM-Solver++(2M); k-diffusion sample_dpmpp_2m_sde; flow form as in ComfyUI',
} as const;

/** Stochastic DPM-Solver++(2M). */
export const dpmpp2mSde = defineSampler(
  {
    ...common,
    id: 'dpmpp_2m_sde',
    label: 'DPM++ 2M SDE',
    aliases: ['k_dpmpp_2m_sde'],
    comfyui: ['dpmpp_2m_sde', 'dpmpp_2m_sde_gpu'],
    sdcpp: ['dpm++2m_sde', 'dpm++2m_sde_bt'],
    options: midpoint,
  },
  run,
);

/** The same with the Heun form of the second-order term. */
export const dpmpp2mSdeHeun = defineSampler(
  {
    ...common,
    id: 'dpmpp_2m_sde_heun',
    label: 'DPM++ 2M SDE Heun',
    aliases: ['k_dpmpp_2m_sde_heun'],
    comfyui: ['dpmpp_2m_sde_heun', 'dpmpp_2m_sde_heun_gpu'],
    options: heun,
  },
  run,
);

interface Rule {
  readonly eta: number;
  readonly sNoise: number;
  readonly solverType: 'midpoint' | 'heun';
}

async function run<L>(ctx: SamplerContext<L, Rule>, x: L, given: readonly number[]): Promise<L> {
  const { eta, sNoise, solverType } = ctx.options;
  let previous: { h: number; denoised: L } | undefined;
  for (const [i, sigma, next] of sigmaPairs(offsetFirstSigma(ctx.model, given))) {
    const denoised = await ctx.denoise(x, sigma);
    const h = lambdaOf(ctx.model, next) - lambdaOf(ctx.model, sigma);
    if (next === 0) {
      x = ctx.lincomb([1, denoised]);
    } else {
      const gain = -Math.expm1(-h * (1 + eta)) * alphaOf(ctx.model, next);
      const heunGain = alphaOf(ctx.model, next) * (Math.expm1(-h * (1 + eta)) / (h * (1 + eta)) + 1);
      const second = previous === undefined ? 0 : ((solverType === 'heun' ? heunGain : gain / 2) * h) / previous.h;
      const noise = sNoise * next * Math.sqrt(-Math.expm1(-2 * h * eta));
      x = ctx.lincomb(
        [(next / sigma) * Math.exp(-h * eta), x],
        [gain + second, denoised],
        [-second, previous?.denoised ?? denoised],
        ...(eta > 0 ? [[noise, ctx.noise(sigma, next)] as const] : []),
      );
    }
    await ctx.onStep({ i, sigma, denoised, x, keep: [denoised] });
    previous = { h, denoised };
  }
  return x;
}
