/** Aims that need no device: planned peaks against their lower bound, weights of SD1.5 in 4 bits. */
import { arenaLowerBound, planArena } from '../../src/lib/backends/webgpu/arena';
import { planWebgpu } from '../../src/lib/backends/webgpu/backend';
import { recordProgram } from '../../src/lib/backends/webgpu/recorder';
import { optimize } from '../../src/lib/graph/passes/optimize';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { TRUE_SIZES } from '../../src/lib/models/true_sizes';
import { denoiserGraph, USUAL_TUNING } from '../../src/lib/pipeline/fit_stages';
import type { AimedRow } from './aims';

const MIB = 2 ** 20;
const LIMITS = { maxBufferBytes: 2 ** 31, maxBindingBytes: 2 ** 31 - 4 };
const DISPATCH_FLOPS = 3e10;
const PEAK_OVER_BOUND = 1.15;
const RESIDENT_GB = 0.5;

const spec = (sidePx: number) => ({ widthPx: sidePx, heightPx: sidePx, batch: 1, promptTokens: 77 });

/** Weights and intermediates of a denoiser as planned, against the least that liveness allows. */
function peakRow(size: (typeof TRUE_SIZES)[number]): AimedRow {
  const { graph, weights } = denoiserGraph(syntheticModel(size, 'Q4_0'), spec(size.nativePx), 1);
  const options = { maxBindingBytes: LIMITS.maxBindingBytes, dispatchFlops: DISPATCH_FLOPS, tuning: USUAL_TUNING };
  const recorded = recordProgram(optimize(graph), weights, options);
  const planned = planArena(recorded, LIMITS.maxBufferBytes).bytes / MIB;
  const bound = arenaLowerBound(recorded) / MIB;
  return {
    name: `${size.id} @${size.nativePx}, denoiser: planned arena`,
    aim: 'plan',
    ours: planned,
    unit: 'MiB',
    baseline: bound,
    baselineName: 'most alive at once',
    ratio: (PEAK_OVER_BOUND * bound) / planned,
    note: `${(planned / bound).toFixed(4)} of the bound`,
  };
}

export function planAimRows(): AimedRow[] {
  const rows = TRUE_SIZES.map(peakRow);
  const [sd15] = TRUE_SIZES;
  const { graph, weights } = denoiserGraph(
    syntheticModel(sd15, 'Q4_0', { convolutions: true }),
    spec(sd15.nativePx),
    1,
  );
  const gigabytes = planWebgpu(graph, weights, LIMITS, USUAL_TUNING).weightsBytes / 1e9;
  return [
    ...rows,
    {
      name: 'sd15 U-Net in Q4_0, convolutions too: resident',
      aim: 'resident',
      ours: gigabytes,
      unit: 'GB',
      ratio: RESIDENT_GB / gigabytes,
      note: `the aim is ${RESIDENT_GB} GB`,
    },
  ];
}
