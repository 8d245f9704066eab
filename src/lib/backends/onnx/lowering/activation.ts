/** Point-wise functions and arithmetic. */
import type { Activation } from '../../../graph/ops/activation';
import { float, text } from '../onnx_proto';
import type { Emitter, Lowering, TensorName } from './lowering';

/** y = activation(x). QuickGelu with alpha 1 is SiLU in one pass over memory. */
export function activate(emitter: Emitter, kind: Activation, x: TensorName): TensorName {
  switch (kind) {
    case 'silu':
      return emitter.addContrib('QuickGelu', [x], { alpha: float(1) });
    case 'quickGelu':
      return emitter.addContrib('QuickGelu', [x], { alpha: float(1.702) });
    case 'gelu':
      return emitter.add('Gelu', [x]);
    case 'geluTanh':
      return emitter.add('Gelu', [x], { approximate: text('tanh') });
    case 'relu':
      return emitter.add('Relu', [x]);
    case 'tanh':
      return emitter.add('Tanh', [x]);
    case 'sigmoid':
      return emitter.add('Sigmoid', [x]);
    default:
      return kind satisfies never;
  }
}

export const unary: Lowering<'unary'> = (emitter, { inputs, attrs }) => {
  const x = emitter.tensor(inputs[0]);
  switch (attrs.kind) {
    case 'exp':
      return emitter.add('Exp', [x]);
    case 'sqrt':
      return emitter.add('Sqrt', [x]);
    case 'rsqrt':
      return emitter.add('Reciprocal', [emitter.add('Sqrt', [x])]);
    case 'square':
      return emitter.add('Mul', [x, x]);
    case 'leakyRelu':
      return emitter.add('LeakyRelu', [x], { alpha: float(attrs.slope) });
    case 'affine': {
      const scaled = attrs.scale === 1 ? x : emitter.add('Mul', [x, emitter.scalar(attrs.scale)]);
      return attrs.offset === 0 ? scaled : emitter.add('Add', [scaled, emitter.scalar(attrs.offset)]);
    }
    case 'clamp':
      return emitter.add('Clip', [x, emitter.scalar(attrs.min), emitter.scalar(attrs.max)]);
    default:
      return activate(emitter, attrs.kind, x);
  }
};

export const gatedActivation: Lowering<'gatedActivation'> = (emitter, { inputs, attrs }) => {
  const x = emitter.tensor(inputs[0]);
  const d = (emitter.value(inputs[0]).shape.at(-1) ?? 0) / 2;
  const half = (start: number) =>
    emitter.add('Slice', [x, emitter.ints([start]), emitter.ints([start + d]), emitter.ints([-1])]);
  const [first, second] = [half(0), half(d)];
  return attrs.gate === 'first'
    ? emitter.add('Mul', [activate(emitter, attrs.activation, first), second])
    : emitter.add('Mul', [first, activate(emitter, attrs.activation, second)]);
};

const BINARY = { add: 'Add', sub: 'Sub', mul: 'Mul' } as const;

export const binary: Lowering<'binary'> = (emitter, { inputs, attrs }) =>
  emitter.add(BINARY[attrs.kind], [emitter.tensor(inputs[0]), emitter.tensor(inputs[1])]);

export const lincomb: Lowering<'lincomb'> = (emitter, { inputs, attrs }) => {
  let sum: TensorName | undefined;
  for (const [i, coefficient] of attrs.coefficients.entries()) {
    const x = emitter.tensor(inputs[i]);
    if (sum !== undefined && (coefficient === 1 || coefficient === -1)) {
      sum = emitter.add(coefficient === 1 ? 'Add' : 'Sub', [sum, x]);
      continue;
    }
    const term = coefficient === 1 ? x : emitter.add('Mul', [x, emitter.scalar(coefficient)]);
    sum = sum === undefined ? term : emitter.add('Add', [sum, term]);
  }
  return sum ?? '';
};

export const modulate: Lowering<'modulate'> = (emitter, { inputs }) => {
  const factor = emitter.add('Add', [emitter.tensor(inputs[1]), emitter.scalar(1)]);
  const scaled = emitter.add('Mul', [emitter.tensor(inputs[0]), factor]);
  return inputs[2] === undefined ? scaled : emitter.add('Add', [scaled, emitter.tensor(inputs[2])]);
};
