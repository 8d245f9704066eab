/** Dynamic thresholding: a high guidance scale with the value range of a lower one. Plain arrays, [N, C, H, W] flattened. */
import { deviation, type GuidanceInputs } from './array_guidance';
import type { ScaleMode } from './scale_modes';

export interface DynamicThresholding {
  /** Scale whose range is imitated. */
  readonly mimicScale: number;
  readonly mimicMode: ScaleMode;
  readonly mimicMin: number;
  readonly cfgMode: ScaleMode;
  readonly cfgMin: number;
  /** Power or number of repeats of the modes that take one. */
  readonly schedulerValue: number;
  /** Share of values below the clamping limit, 0..1. */
  readonly percentile: number;
  /** Statistics per channel instead of over everything. */
  readonly separateChannels: boolean;
  readonly startPoint: 'MEAN' | 'ZERO';
  readonly measure: 'AD' | 'STD';
  /** 1 = the rule alone, 0 = plain guidance. */
  readonly interpolatePhi: number;
}

const MAX_STEPS = 999;

/** Scale of a mode at a point of training time; frac passes 1 a little at the end, as upstream. */
export function scheduledScale(mode: ScaleMode, scale: number, min: number, timestep: number, value: number): number {
  const frac = (MAX_STEPS - timestep) / (MAX_STEPS - 1);
  return min + (scale - min) * shape(mode, frac, value);
}

function shape(mode: ScaleMode, frac: number, value: number): number {
  // Truncated constants are part of the published rule.
  const [quarter, full] = [1.5707, 6.28318];
  const portion = (frac * value) % 1;
  switch (mode) {
    case 'Constant':
      return 1;
    case 'Linear Down':
      return 1 - frac;
    case 'Cosine Down':
      return Math.cos(frac * quarter);
    case 'Half Cosine Down':
      return Math.cos(frac);
    case 'Linear Up':
      return frac;
    case 'Cosine Up':
      return 1 - Math.cos(frac * quarter);
    case 'Half Cosine Up':
      return 1 - Math.cos(frac);
    case 'Power Up':
      return frac ** value;
    case 'Power Down':
      return 1 - frac ** value;
    case 'Linear Repeating':
      return Math.abs(0.5 - portion) * 2;
    case 'Cosine Repeating':
      return Math.cos(frac * full * value) * 0.5 + 0.5;
    case 'Sawtooth':
      return portion;
  }
  mode satisfies never;
  return 1;
}

/**
 * Combines cond and uncond.
 * @param timestep  nearest trained timestep, 999..0, for the scale modes
 * Source: Goodwin 2023, sd-dynamic-thresholding
 */
export function dynamicThresholding(
  inputs: GuidanceInputs & { readonly channels: number },
  options: DynamicThresholding,
  timestep: number,
): Float32Array<ArrayBuffer> {
  const { cond, uncond, batch, channels } = inputs;
  const mimic = scheduledScale(
    options.mimicMode,
    options.mimicScale,
    options.mimicMin,
    timestep,
    options.schedulerValue,
  );
  const scale = scheduledScale(options.cfgMode, inputs.scale, options.cfgMin, timestep, options.schedulerValue);
  const guide = (s: number): Float64Array =>
    Float64Array.from(cond, (c, i) => (uncond[i] as number) + s * (c - (uncond[i] as number)));
  const [wanted, guided] = [guide(mimic), guide(scale)];
  const rows = batch * channels;
  const [wantedMeans, guidedMeans] = [rowMeans(wanted, rows), rowMeans(guided, rows)];
  const width = cond.length / rows;
  const centre = (values: Float64Array, means: Float64Array): Float64Array =>
    values.map((v, i) => v - (means[Math.floor(i / width)] as number));
  const wantedCentred = centre(wanted, wantedMeans);
  const centred = centre(guided, guidedMeans);
  const groups = options.separateChannels ? rows : 1;
  const size = cond.length / groups;
  const out = new Float32Array(cond.length);
  for (let g = 0; g < groups; g++) {
    const [from, to] = [g * size, (g + 1) * size];
    const target = wantedCentred.subarray(from, to);
    const own = centred.subarray(from, to);
    const mimicRange = options.measure === 'STD' ? deviation(target) : quantile(target, 1);
    const range = options.measure === 'STD' ? deviation(own) : quantile(own, options.percentile);
    for (let i = from; i < to; i++) {
      const mean = guidedMeans[Math.floor(i / width)] as number;
      const value = renormalised(options, guided[i] as number, mean, mimicRange, range);
      out[i] = value * options.interpolatePhi + (guided[i] as number) * (1 - options.interpolatePhi);
    }
  }
  return out;
}

function renormalised(o: DynamicThresholding, value: number, mean: number, mimicRange: number, range: number): number {
  if (o.startPoint === 'ZERO') return (value * mimicRange) / range;
  if (o.measure === 'STD') return ((value - mean) / range) * mimicRange + mean;
  const limit = Math.max(mimicRange, range);
  return (Math.min(Math.max(value - mean, -limit), limit) / limit) * mimicRange + mean;
}

function rowMeans(values: Float64Array, rows: number): Float64Array {
  const width = values.length / rows;
  return Float64Array.from(
    { length: rows },
    (_, r) => values.subarray(r * width, (r + 1) * width).reduce((a, b) => a + b, 0) / width,
  );
}

/** Quantile of the absolute values, linear between neighbours, as torch.quantile. */
function quantile(values: Float64Array, q: number): number {
  const sorted = values.map(Math.abs).sort();
  const position = q * (sorted.length - 1);
  const low = Math.floor(position);
  const a = sorted[low] as number;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return a + (b - a) * (position - low);
}
