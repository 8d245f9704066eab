import type { OptionSchema } from '../options';
import { defineSampler } from '../sampler';
import { roundEven } from '../math';
import { toVariancePreserving } from './steps';
import { runUniPc } from './unipc_step';

const options = {
  variant: {
    kind: 'choice',
    default: 'bh1',
    choices: ['bh1', 'bh2', 'vary_coeff'],
    infotext: 'UniPC variant',
    about: 'Form of the step coefficients.',
  },
  skipType: {
    kind: 'choice',
    default: 'time_uniform',
    choices: ['time_uniform', 'time_quadratic', 'logSNR'],
    infotext: 'UniPC skip type',
    about: 'How the steps are spread over time.',
  },
  order: {
    kind: 'number',
    default: 3,
    min: 1,
    max: 5,
    integer: true,
    infotext: 'UniPC order',
    about: 'Highest order; lowered when there are fewer steps.',
  },
  lowerOrderFinal: {
    kind: 'flag',
    default: true,
    infotext: 'UniPC lower order final',
    about: 'Lower the order in the last steps.',
  },
  img2img: {
    kind: 'flag',
    default: false,
    about: 'Start at the first level of the run instead of the end of training time.',
  },
} as const satisfies OptionSchema;

/** UniPC of the web UIs: continuous time, the model asked at the nearest trained step, ends at trained step 0. */
export const unipc = defineSampler(
  {
    id: 'unipc',
    label: 'UniPC',
    aliases: ['unipc'],
    comfyui: ['uni_pc', 'uni_pc_bh2'],
    options,
    order: 3,
    callsPerStep: 1,
    preferredSchedule: 'uniform',
    parameterizations: ['ve'],
    timestepGrid: true,
    webui: true,
    source: 'Zhao et al. 2023, UniPC; time grid of the web UIs',
  },
  async (ctx, x, sigmas) => {
    const { model } = ctx;
    const total = model.sigmas.length;
    const logAlphas = model.sigmas.map((s) => -0.5 * Math.log1p(s * s));
    const start = ctx.options.img2img ? Math.round(model.sigmaToT(sigmas[0] ?? 0)) / total + 1 / total : 1;
    const times = timeGrid(ctx.options.skipType, start, 1 / total, sigmas.length, logAlphas);
    const levels = times.map((t) => levelAt(t, logAlphas));
    const first = sigmas[0] ?? 1;
    const begun = ctx.lincomb([Math.sqrt((1 + (levels[0] as number) ** 2) / (1 + first ** 2)), x]);
    const result = await runUniPc(ctx, begun, {
      variant: ctx.options.variant,
      order: Math.min(ctx.options.order, sigmas.length),
      lowerOrderFinal: ctx.options.lowerOrderFinal,
      levels,
      denoise: async (at, step) => {
        // The trained level nearest in time answers; its noise prediction is then read at the continuous level.
        const index = Math.min(Math.max(roundEven(((times[step] as number) - 1 / total) * total), 0), total - 1);
        const trained = model.sigmas[index] as number;
        const sigma = levels[step] as number;
        const scale = Math.sqrt((1 + trained ** 2) / (1 + sigma ** 2));
        const input = ctx.lincomb([scale, at]);
        const denoised = await ctx.denoise(input, trained);
        const ratio = sigma / trained;
        return ctx.lincomb([1, at], [-ratio, input], [ratio, denoised]);
      },
    });
    return toVariancePreserving(ctx, result, levels);
  },
);

/** ln(alpha) at continuous time, linear between trained steps at (i + 1)/total, extended beyond them. */
function logAlphaAt(t: number, logAlphas: Float64Array): number {
  const position = t * logAlphas.length - 1;
  const low = Math.min(Math.max(Math.floor(position), 0), logAlphas.length - 2);
  const w = position - low;
  return (1 - w) * (logAlphas[low] as number) + w * (logAlphas[low + 1] as number);
}

/** sigma/alpha at continuous time. */
function levelAt(t: number, logAlphas: Float64Array): number {
  return Math.sqrt(Math.expm1(-2 * logAlphaAt(t, logAlphas)));
}

/**
 * n even values in torch.linspace's order of operations: at .5 between two trained steps the last bit decides which one
 * the model is asked at, and with it the picture (20 steps meet such a point). A full run is evaluated there in vectors
 * of four, an img2img run (whose start is a tensor) element by element.
 */
function evenGrid(from: number, to: number, n: number): number[] {
  const step = (to - from) / (n - 1);
  const half = Math.floor(n / 2);
  const vectorEnd = from === 1 ? n - (n % 8) : 0;
  return Array.from({ length: n }, (_, i) => {
    const lane = i < vectorEnd ? i % 4 : 0;
    const base = i - lane;
    return (base < half ? from + step * base : to - step * (n - 1 - base)) + step * lane;
  });
}

function timeGrid(skip: string, from: number, to: number, steps: number, logAlphas: Float64Array): number[] {
  if (skip === 'time_quadratic') return evenGrid(Math.sqrt(from), Math.sqrt(to), steps + 1).map((v) => v * v);
  if (skip === 'time_uniform') return evenGrid(from, to, steps + 1);
  const lambda = (t: number): number => -Math.log(levelAt(t, logAlphas));
  return evenGrid(lambda(from), lambda(to), steps + 1).map((l) =>
    timeOfLogAlpha(-0.5 * Math.log1p(Math.exp(-2 * l)), logAlphas),
  );
}

/** Inverse of `logAlphaAt`: logAlphas fall with time. */
function timeOfLogAlpha(value: number, logAlphas: Float64Array): number {
  let low = 0;
  let high = logAlphas.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((logAlphas[middle] as number) >= value) low = middle;
    else high = middle;
  }
  const [a, b] = [logAlphas[low] as number, logAlphas[high] as number];
  return (low + 1 + (value - a) / (b - a)) / logAlphas.length;
}
