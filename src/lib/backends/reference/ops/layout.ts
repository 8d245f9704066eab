/** Operators that move elements without arithmetic. */
import { elementCount } from '../../../base/shape';
import { axes3, axes4, need, newElements, strides, type Evaluate, type Tensor } from './evaluate';

export const concat: Evaluate<'concat'> = (inputs, { axis }, output) => {
  const first = need('concat', inputs, 0);
  const y = newElements(first.data, elementCount(output.shape));
  const inner = elementCount(output.shape.slice(axis + 1));
  const outer = elementCount(output.shape.slice(0, axis));
  const rowOut = (output.shape[axis] ?? 1) * inner;
  let column = 0;
  for (const [i] of inputs.entries()) {
    const x = need('concat', inputs, i);
    const row = (x.shape[axis] ?? 1) * inner;
    for (let o = 0; o < outer; o++) y.set(x.data.subarray(o * row, (o + 1) * row), o * rowOut + column);
    column += row;
  }
  return y;
};

export const slice: Evaluate<'slice'> = (inputs, { axis, start, length }) => {
  const x = need('slice', inputs, 0);
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const row = (x.shape[axis] ?? 1) * inner;
  const part = length * inner;
  const y = newElements(x.data, outer * part);
  for (let o = 0; o < outer; o++) {
    const from = o * row + start * inner;
    y.set(x.data.subarray(from, from + part), o * part);
  }
  return y;
};

/** A copy, so that no two tensors share memory. */
const copy = (x: Tensor) => x.data.slice();

export const reshape: Evaluate<'reshape'> = (inputs) => copy(need('reshape', inputs, 0));
export const vectorToImage: Evaluate<'vectorToImage'> = (inputs) => copy(need('vectorToImage', inputs, 0));

export const transpose: Evaluate<'transpose'> = (inputs, { order }, output) => {
  const x = need('transpose', inputs, 0);
  const from = strides(x.shape);
  const steps = order.map((axis) => from[axis] ?? 0);
  const y = newElements(x.data, x.data.length);
  const [a, b, c, d] = axes4([...new Array<number>(4 - steps.length).fill(1), ...output.shape]);
  const [sa, sb, sc, sd] = axes4([...new Array<number>(4 - steps.length).fill(0), ...steps]);
  let to = 0;
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) {
        for (let l = 0; l < d; l++) y[to++] = x.data[i * sa + j * sb + k * sc + l * sd] ?? 0;
      }
    }
  }
  return y;
};

export const imageToTokens: Evaluate<'imageToTokens'> = (inputs) => {
  const { shape, data: x } = need('imageToTokens', inputs, 0);
  const [n, c, h, w] = axes4(shape);
  return swapLast(x, n, c, h * w);
};

export const tokensToImage: Evaluate<'tokensToImage'> = (inputs) => {
  const { shape, data: x } = need('tokensToImage', inputs, 0);
  const [n, t, c] = axes3(shape);
  return swapLast(x, n, t, c);
};

/** `[N, A, B]` → `[N, B, A]`. */
function swapLast(x: Tensor['data'], n: number, a: number, b: number): Tensor['data'] {
  const y = newElements(x, x.length);
  for (let image = 0; image < n; image++) {
    const base = image * a * b;
    for (let i = 0; i < a; i++) {
      for (let j = 0; j < b; j++) y[base + j * a + i] = x[base + i * b + j] ?? 0;
    }
  }
  return y;
}

export const upsampleNearest: Evaluate<'upsampleNearest'> = (inputs, { factor }, output) => {
  const { shape, data: x } = need('upsampleNearest', inputs, 0);
  const [n, c, h, w] = axes4(shape);
  const y = newElements(x, elementCount(output.shape));
  let to = 0;
  for (let plane = 0; plane < n * c; plane++) {
    for (let oy = 0; oy < h * factor; oy++) {
      const row = (plane * h + Math.floor(oy / factor)) * w;
      for (let ox = 0; ox < w * factor; ox++) y[to++] = x[row + Math.floor(ox / factor)] ?? 0;
    }
  }
  return y;
};

export const averagePool: Evaluate<'averagePool'> = (inputs, { size }, output) => {
  const { shape, data: x } = need('averagePool', inputs, 0);
  const [n, c, h, w] = axes4(shape);
  const y = new Float64Array(elementCount(output.shape));
  let to = 0;
  for (let plane = 0; plane < n * c; plane++) {
    for (let oy = 0; oy < h; oy += size) {
      for (let ox = 0; ox < w; ox += size) {
        let sum = 0;
        for (let dy = 0; dy < size; dy++) {
          for (let dx = 0; dx < size; dx++) sum += x[(plane * h + oy + dy) * w + ox + dx] ?? 0;
        }
        y[to++] = sum / (size * size);
      }
    }
  }
  return y;
};

export const pixelShuffle: Evaluate<'pixelShuffle'> = (inputs, { factor, order }, output) => {
  const { data: x } = need('pixelShuffle', inputs, 0);
  const y = newElements(x, x.length);
  shuffleWalk(axes4(output.shape), factor, order, (large, deep) => (y[large] = x[deep] ?? 0));
  return y;
};

export const pixelUnshuffle: Evaluate<'pixelUnshuffle'> = (inputs, { factor, order }) => {
  const { shape, data: x } = need('pixelUnshuffle', inputs, 0);
  const y = newElements(x, x.length);
  shuffleWalk(axes4(shape), factor, order, (large, deep) => (y[deep] = x[large] ?? 0));
  return y;
};

/** Visits each pixel of the large picture `[N, C, H, W]` with its place in the deep one `[N, C·f², H/f, W/f]`. */
function shuffleWalk(
  [n, c, h, w]: readonly [number, number, number, number],
  f: number,
  order: 'cyx' | 'yxc',
  visit: (large: number, deep: number) => void,
): void {
  let large = 0;
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < c; channel++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          const cell = (y % f) * f + (x % f);
          const deepChannel = order === 'cyx' ? channel * f * f + cell : cell * c + channel;
          const row = (image * c * f * f + deepChannel) * (h / f) + Math.floor(y / f);
          visit(large++, row * (w / f) + Math.floor(x / f));
        }
      }
    }
  }
}
