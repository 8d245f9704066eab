/** Operators over token sequences: table look-ups, sinusoidal features, rotary positions. */
import { AppError } from '../../../base/errors';
import { elementCount } from '../../../base/shape';
import { timestepFrequencies } from '../../../graph/ops/timestep_embedding';
import { axes3, need, type Evaluate } from './evaluate';

function checkIndex(op: string, what: string, value: number, count: number): void {
  if (Number.isInteger(value) && value >= 0 && value < count) return;
  throw new AppError('backend/run', `${op}: ${what} must lie in 0..${count - 1}, got ${value}; check the tokenizer.`, {
    details: { op, value, count },
  });
}

export const embedding: Evaluate<'embedding'> = (inputs, _attrs, output) => {
  const ids = need('embedding', inputs, 0).data;
  const { shape, data: weight } = need('embedding', inputs, 1);
  const [count = 0, d = 0] = shape;
  const y = new Float64Array(elementCount(output.shape));
  for (const [i, id] of ids.entries()) {
    checkIndex('embedding', 'an id', id, count);
    y.set(weight.subarray(id * d, (id + 1) * d), i * d);
  }
  return y;
};

export const gatherToken: Evaluate<'gatherToken'> = (inputs) => {
  const { shape, data: x } = need('gatherToken', inputs, 0);
  const index = need('gatherToken', inputs, 1).data;
  const [n, t, d] = axes3(shape);
  const y = new Float64Array(n * d);
  for (let image = 0; image < n; image++) {
    const token = index[image] ?? -1;
    checkIndex('gatherToken', 'the index', token, t);
    const from = (image * t + token) * d;
    y.set(x.subarray(from, from + d), image * d);
  }
  return y;
};

export const timestepEmbedding: Evaluate<'timestepEmbedding'> = (inputs, attrs) => {
  const t = need('timestepEmbedding', inputs, 0).data;
  const frequencies = timestepFrequencies(attrs);
  const half = attrs.dim / 2;
  const y = new Float64Array(t.length * attrs.dim);
  for (let row = 0; row < t.length; row++) {
    for (let i = 0; i < half; i++) {
      const phase = Math.fround(Math.fround(attrs.scale * (t[row] ?? 0)) * (frequencies[i] ?? 0));
      const at = row * attrs.dim + i;
      y[attrs.first === 'cos' ? at : at + half] = Math.cos(phase);
      y[attrs.first === 'cos' ? at + half : at] = Math.sin(phase);
    }
  }
  return y;
};

export const rope: Evaluate<'rope'> = (inputs, { heads, pairing }) => {
  const { shape, data: x } = need('rope', inputs, 0);
  const cos = need('rope', inputs, 1);
  const sin = need('rope', inputs, 2).data;
  const [n, t, width] = axes3(shape);
  const d = width / heads;
  const half = d / 2;
  const y = new Float64Array(x.length);
  for (let image = 0; image < n; image++) {
    for (let token = 0; token < t; token++) {
      const angles = ((cos.shape[0] === 1 ? 0 : image) * t + token) * half;
      for (let head = 0; head < heads; head++) {
        const base = (image * t + token) * width + head * d;
        for (let i = 0; i < half; i++) {
          const first = base + (pairing === 'interleaved' ? 2 * i : i);
          const second = pairing === 'interleaved' ? first + 1 : first + half;
          const a = x[first] ?? 0;
          const b = x[second] ?? 0;
          const c = cos.data[angles + i] ?? 0;
          const s = sin[angles + i] ?? 0;
          y[first] = a * c - b * s;
          y[second] = a * s + b * c;
        }
      }
    }
  }
  return y;
};
