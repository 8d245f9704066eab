/** Moments of group norms' inputs, gathered over runs, and the coefficients that follow from them. */
import type { HostTensor } from '../backends/backend';
import { loadWeight, namedWeight } from '../graph/load_weight';
import { coefficientNames, momentNames, type NormSite } from '../graph/passes/fixed_norms';
import type { WeightMap } from '../graph/weights';

export class MomentMeans {
  readonly #sites: readonly NormSite[];
  /** By site: sums over runs of the groups' means of x and x². */
  readonly #sums: readonly { readonly mean: Float64Array; readonly square: Float64Array }[];
  readonly #weights: Float64Array;

  constructor(sites: readonly NormSite[]) {
    this.#sites = sites;
    this.#weights = new Float64Array(sites.length);
    this.#sums = sites.map(({ groups }) => ({ mean: new Float64Array(groups), square: new Float64Array(groups) }));
  }

  /**
   * Outputs of one run.
   * @param rows, columns weights along the axes of the map, of any resolution; windows count by theirs
   */
  add(outputs: Readonly<Record<string, HostTensor>>, rows: Float32Array = ONE, columns: Float32Array = ONE): void {
    for (const [i, sums] of this.#sums.entries()) {
      const names = momentNames(i);
      const mean = outputs[names.mean];
      const square = outputs[names.square];
      if (!mean || !square) continue;
      const [, , height = 1, width = 1] = mean.shape;
      const weights = windowWeights(resampled(rows, height), resampled(columns, width));
      addGroups(sums.mean, mean, weights);
      addGroups(sums.square, square, weights);
      this.#weights[i] = (this.#weights[i] ?? 0) + weights.reduce((a, b) => a + b, 0);
    }
  }

  /** Inputs of a graph with `fixedNorms`: gain and offset folded into the statistics. */
  async coefficients(weights: WeightMap): Promise<Record<string, HostTensor>> {
    const result: Record<string, HostTensor> = {};
    for (const [i, { groups, eps, channels, gamma, beta }] of this.#sites.entries()) {
      const sums = this.#sums[i];
      const total = this.#weights[i] || 1;
      const gain = await loadWeight(namedWeight(weights, gamma), [channels]);
      const offset = await loadWeight(namedWeight(weights, beta), [channels]);
      const scale = new Float32Array(channels);
      const shift = new Float32Array(channels);
      for (let c = 0; c < channels; c++) {
        const group = Math.floor((c * groups) / channels);
        const mean = (sums?.mean[group] ?? 0) / total;
        const variance = Math.max(0, (sums?.square[group] ?? 0) / total - mean * mean);
        const s = (gain[c] ?? 0) / Math.sqrt(variance + eps);
        scale[c] = s;
        shift[c] = (offset[c] ?? 0) - mean * s;
      }
      const names = coefficientNames(i);
      result[names.scale] = { shape: [1, channels, 1, 1], data: scale };
      result[names.shift] = { shape: [1, channels, 1, 1], data: shift };
    }
    return result;
  }
}

const ONE = Float32Array.of(1);

/** Means over equal stretches of weights along an axis. */
function resampled(weights: Float32Array, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * weights.length) / count);
    const to = Math.max(from + 1, Math.floor(((i + 1) * weights.length) / count));
    for (let at = from; at < to; at++) out[i] = (out[i] ?? 0) + (weights[at] ?? 0) / (to - from);
  }
  return out;
}

function windowWeights(rows: Float32Array, columns: Float32Array): Float32Array {
  const out = new Float32Array(rows.length * columns.length);
  for (const [y, row] of rows.entries()) {
    for (const [x, column] of columns.entries()) out[y * columns.length + x] = row * column;
  }
  return out;
}

/** Adds the means over a group's channels, window by window. */
function addGroups(sums: Float64Array, { shape, data }: HostTensor, weights: Float32Array): void {
  const channels = shape[1] ?? 1;
  const perGroup = channels / sums.length;
  for (let c = 0; c < channels; c++) {
    const group = Math.floor(c / perGroup);
    let sum = 0;
    for (const [i, weight] of weights.entries()) sum += weight * (data[c * weights.length + i] ?? 0);
    sums[group] = (sums[group] ?? 0) + sum / perGroup;
  }
}
