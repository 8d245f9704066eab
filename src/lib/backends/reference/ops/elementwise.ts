/** Operators that treat every element alike: unary, binary, lincomb, gatedActivation, modulate. */
import { elementCount, type Shape } from '../../../base/shape';
import type { UnaryAttrs } from '../../../graph/ops/unary';
import { activationFunction } from './activation';
import { axes3, need, newElements, strides, type Evaluate } from './evaluate';

function unaryFunction(attrs: UnaryAttrs): (x: number) => number {
  switch (attrs.kind) {
    case 'exp':
      return Math.exp;
    case 'sqrt':
      return Math.sqrt;
    case 'rsqrt':
      return (x) => 1 / Math.sqrt(x);
    case 'square':
      return (x) => x * x;
    case 'leakyRelu':
      return (x) => (x < 0 ? x * attrs.slope : x);
    case 'affine':
      return (x) => attrs.scale * x + attrs.offset;
    case 'clamp':
      return (x) => Math.min(Math.max(x, attrs.min), attrs.max);
    default:
      return activationFunction(attrs.kind);
  }
}

export const unary: Evaluate<'unary'> = (inputs, attrs) => {
  const x = need('unary', inputs, 0).data;
  const f = unaryFunction(attrs);
  const y = newElements(x, x.length);
  for (let i = 0; i < x.length; i++) y[i] = f(x[i] ?? 0);
  return y;
};

/** Strides of an operand over the output's axes; 0 where it is repeated. */
function broadcastStrides(shape: Shape, rank: number): number[] {
  const own = strides(shape);
  const missing = rank - shape.length;
  return Array.from({ length: rank }, (_, axis) => (shape[axis - missing] === 1 ? 0 : (own[axis - missing] ?? 0)));
}

export const binary: Evaluate<'binary'> = (inputs, { kind }, output) => {
  const a = need('binary', inputs, 0);
  const b = need('binary', inputs, 1);
  const shape = output.shape;
  const rank = shape.length;
  const aSteps = broadcastStrides(a.shape, rank);
  const bSteps = broadcastStrides(b.shape, rank);
  const y = newElements(a.data, elementCount(shape));
  const index = new Int32Array(rank);
  let aAt = 0;
  let bAt = 0;
  for (let i = 0; i < y.length; i++) {
    const left = a.data[aAt] ?? 0;
    const right = b.data[bAt] ?? 0;
    y[i] = kind === 'add' ? left + right : kind === 'sub' ? left - right : left * right;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const size = shape[axis] ?? 1;
      const aStep = aSteps[axis] ?? 0;
      const bStep = bSteps[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      aAt += aStep;
      bAt += bStep;
      if (next < size) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      aAt -= aStep * size;
      bAt -= bStep * size;
    }
  }
  return y;
};

export const lincomb: Evaluate<'lincomb'> = (inputs, { coefficients }, output) => {
  const total = new Float64Array(elementCount(output.shape));
  for (const [term, coefficient] of coefficients.entries()) {
    const x = need('lincomb', inputs, term).data;
    for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + coefficient * (x[i] ?? 0);
  }
  return total;
};

export const gatedActivation: Evaluate<'gatedActivation'> = (inputs, { activation, gate }, output) => {
  const x = need('gatedActivation', inputs, 0).data;
  const f = activationFunction(activation);
  const d = output.shape.at(-1) ?? 1;
  const y = new Float64Array(x.length / 2);
  const [gateAt, otherAt] = gate === 'first' ? [0, d] : [d, 0];
  for (let row = 0; row < y.length; row += d) {
    for (let i = 0; i < d; i++) {
      y[row + i] = f(x[2 * row + gateAt + i] ?? 0) * (x[2 * row + otherAt + i] ?? 0);
    }
  }
  return y;
};

export const modulate: Evaluate<'modulate'> = (inputs) => {
  const { shape, data: x } = need('modulate', inputs, 0);
  const scale = need('modulate', inputs, 1).data;
  const shift = inputs[2]?.data;
  const [n, t, d] = axes3(shape);
  const y = new Float64Array(x.length);
  for (let row = 0; row < n * t; row++) {
    const vector = Math.floor(row / t) * d;
    for (let i = 0; i < d; i++) {
      y[row * d + i] = (x[row * d + i] ?? 0) * (1 + (scale[vector + i] ?? 0)) + (shift?.[vector + i] ?? 0);
    }
  }
  return y;
};
