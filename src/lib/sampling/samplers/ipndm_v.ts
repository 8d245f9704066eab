import { remember } from '../math';
import type { OptionSchema } from '../options';
import { defineSampler, sigmaPairs } from '../sampler';

const options = {
  maxOrder: {
    kind: 'number',
    default: 4,
    min: 1,
    max: 4,
    integer: true,
    about: 'Most slopes that are combined.',
  },
} as const satisfies OptionSchema;

/** Adams-Bashforth with weights for the uneven grid. */
export const ipndmV = defineSampler(
  {
    id: 'ipndm_v',
    label: 'IPNDM_V',
    aliases: ['ipndm_v'],
    comfyui: ['ipndm_v'],
    sdcpp: ['ipndm_v'],
    options,
    order: 4,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve', 'flow'],
    webui: true,
    source: 'Zhou et al. 2024, variable-step iPNDM (diff-sampler)',
  },
  async (ctx, x, sigmas) => {
    let slopes: (typeof x)[] = [];
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      slopes = remember(slopes, ctx.lincomb([1 / sigma, x], [-1 / sigma, denoised]), ctx.options.maxOrder);
      const widths = slopes.map((_, k) => (sigmas[i + 1 - k] as number) - (sigmas[i - k] as number));
      const weights = variableWeights(widths);
      x = ctx.lincomb([1, x], ...slopes.map((d, k) => [(next - sigma) * (weights[k] as number), d] as const));
      await ctx.onStep({ i, sigma, denoised, x, keep: slopes });
    }
    return x;
  },
);

/**
 * Weights of the slopes, newest first, from the step widths (this one first). These are the published weights; from
 * order 3 on they differ from exact variable-step Adams-Bashforth, and pictures depend on it.
 */
function variableWeights(widths: readonly number[]): number[] {
  const [h = 1, h1 = 1, h2 = 1, h3 = 1] = widths;
  if (widths.length === 1) return [1];
  const ratio = h / h1;
  const weights = [(2 + ratio) / 2, -ratio / 2, 0, 0];
  if (widths.length >= 3) {
    const t = (1 - ((h / (3 * (h + h1))) * (h * (h + h1))) / (h1 * (h1 + h2))) / 2;
    add(weights, [t, -(1 + h1 / h2) * t, (t * h1) / h2, 0]);
  }
  if (widths.length >= 4) {
    const t =
      (((1 - h / (3 * (h + h1))) / 2 + ((1 - h / (2 * (h + h1))) * h) / (6 * (h + h1 + h2))) *
        (h * (h + h1) * (h + h1 + h2))) /
      (h1 * (h1 + h2) * (h1 + h2 + h3));
    const q = (h1 * (h1 + h2)) / (h2 * (h2 + h3));
    add(weights, [t, -(1 + h1 / h2 + q) * t, (h1 / h2 + q * (1 + h2 / h3)) * t, (-t * q * h1) / h2]);
  }
  return weights.slice(0, widths.length);
}

function add(weights: number[], more: readonly number[]): void {
  more.forEach((value, k) => (weights[k] = (weights[k] as number) + value));
}
