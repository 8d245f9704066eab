import { defineSampler, type SamplerContext } from '../sampler';
import { runUniPc, type UniPcVariant } from './unipc_step';

const common = {
  aliases: [],
  options: {},
  order: 3,
  callsPerStep: 1,
  preferredSchedule: 'normal',
  parameterizations: ['ve'],
  discardPenultimate: true,
  source: 'Zhao et al. 2023, UniPC; on any schedule, ending at sigma 0.001, as in ComfyUI',
} as const;

/** UniPC on the chosen schedule, B(h) = h. */
export const uniPcSigma = defineSampler(
  { ...common, id: 'unipc_sigma', label: 'UniPC (any schedule)' },
  (ctx, x, sigmas) => run(ctx, x, sigmas, 'bh1'),
);

/** UniPC on the chosen schedule, B(h) = exp(h) - 1. */
export const uniPcSigmaBh2 = defineSampler(
  { ...common, id: 'unipc_sigma_bh2', label: 'UniPC BH2 (any schedule)' },
  (ctx, x, sigmas) => run(ctx, x, sigmas, 'bh2'),
);

async function run<L>(ctx: SamplerContext<L>, x: L, sigmas: readonly number[], variant: UniPcVariant): Promise<L> {
  const levels = sigmas.map((s) => (s === 0 ? 0.001 : s));
  return runUniPc(ctx, x, {
    variant,
    order: Math.max(Math.min(3, levels.length - 2), 1),
    lowerOrderFinal: true,
    levels,
    denoise: (at, step) => ctx.denoise(at, levels[step] as number),
  });
}
