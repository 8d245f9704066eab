/** Group, layer and RMS normalisation: two passes, statistics in f64. */
import { activationFunction } from './activation';
import { axes4, need, type Elements, type Evaluate } from './evaluate';

/** Mean and 1/sqrt(population variance + eps) of a run. */
function statistics(x: Elements, from: number, count: number, eps: number): { mean: number; inverse: number } {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += x[from + i] ?? 0;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) {
    const centred = (x[from + i] ?? 0) - mean;
    squares += centred * centred;
  }
  return { mean, inverse: 1 / Math.sqrt(squares / count + eps) };
}

export const groupNorm: Evaluate<'groupNorm'> = (inputs, { groups, eps, activation }) => {
  const { shape, data: x } = need('groupNorm', inputs, 0);
  const weight = need('groupNorm', inputs, 1).data;
  const bias = need('groupNorm', inputs, 2).data;
  const f = activation && activationFunction(activation);
  const [n, c, h, w] = axes4(shape);
  const channels = c / groups;
  const pixels = h * w;
  const y = new Float64Array(x.length);
  for (let run = 0; run < n * groups; run++) {
    const from = run * channels * pixels;
    const { mean, inverse } = statistics(x, from, channels * pixels, eps);
    for (let local = 0; local < channels; local++) {
      const channel = (run % groups) * channels + local;
      const gamma = weight[channel] ?? 0;
      const beta = bias[channel] ?? 0;
      for (let p = 0; p < pixels; p++) {
        const at = from + local * pixels + p;
        const value = ((x[at] ?? 0) - mean) * inverse * gamma + beta;
        y[at] = f ? f(value) : value;
      }
    }
  }
  return y;
};

export const layerNorm: Evaluate<'layerNorm'> = (inputs, { eps }) => {
  const { shape, data: x } = need('layerNorm', inputs, 0);
  const weight = inputs[1]?.data;
  const bias = inputs[2]?.data;
  const d = shape.at(-1) ?? 1;
  const y = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += d) {
    const { mean, inverse } = statistics(x, from, d, eps);
    for (let i = 0; i < d; i++) {
      y[from + i] = ((x[from + i] ?? 0) - mean) * inverse * (weight?.[i] ?? 1) + (bias?.[i] ?? 0);
    }
  }
  return y;
};

export const rmsNorm: Evaluate<'rmsNorm'> = (inputs, { eps, size }) => {
  const x = need('rmsNorm', inputs, 0).data;
  const weight = inputs[1]?.data;
  const y = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += (x[from + i] ?? 0) * (x[from + i] ?? 0);
    const inverse = 1 / Math.sqrt(squares / size + eps);
    for (let i = 0; i < size; i++) y[from + i] = (x[from + i] ?? 0) * inverse * (weight?.[i] ?? 1);
  }
  return y;
};
