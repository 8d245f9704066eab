import { elementCount } from '../../../base/shape';
import { activationFunction } from './activation';
import { need, type Evaluate } from './evaluate';

export const linear: Evaluate<'linear'> = (inputs, { activation }, output) => {
  const { shape, data: x } = need('linear', inputs, 0);
  const weight = need('linear', inputs, 1).data;
  const bias = inputs[2]?.data;
  const residual = inputs[3]?.data;
  const f = activation && activationFunction(activation);
  const k = shape.at(-1) ?? 1;
  const n = output.shape.at(-1) ?? 1;
  const rows = elementCount(shape) / k;
  const y = new Float64Array(rows * n);
  for (let row = 0; row < rows; row++) {
    const xAt = row * k;
    for (let column = 0; column < n; column++) {
      const wAt = column * k;
      let sum = bias?.[column] ?? 0;
      for (let i = 0; i < k; i++) sum += (x[xAt + i] ?? 0) * (weight[wAt + i] ?? 0);
      const to = row * n + column;
      y[to] = (f ? f(sum) : sum) + (residual?.[to] ?? 0);
    }
  }
  return y;
};
