/** Normalisations. */
import { float, int } from '../onnx_proto';
import { activate } from './activation';
import type { Emitter, Lowering } from './lowering';

const ones = (emitter: Emitter, count: number) => emitter.floats(new Float32Array(count).fill(1), [count]);

/**
 * InstanceNormalization over [N, G, L], then weight and bias per channel: the fastest of the forms that load on the
 * CPU kernels (GroupNormalization is expanded inside the runtime, the contrib GroupNorm has no CPU kernel).
 */
export const groupNorm: Lowering<'groupNorm'> = (emitter, { inputs, attrs }) => {
  const { shape } = emitter.value(inputs[0]);
  const [n = 0, c = 0, h = 0, w = 0] = shape;
  const grouped = [n, attrs.groups, (c / attrs.groups) * h * w];
  const zeros = emitter.floats(new Float32Array(attrs.groups), [attrs.groups]);
  const x = emitter.reshape(emitter.tensor(inputs[0]), shape, grouped);
  const normalised = emitter.add('InstanceNormalization', [x, ones(emitter, attrs.groups), zeros], {
    epsilon: float(attrs.eps),
  });
  const perChannel = (id: number | undefined) => emitter.reshape(emitter.tensor(id), [c], [c, 1, 1]);
  const scaled = emitter.add('Mul', [emitter.reshape(normalised, grouped, shape), perChannel(inputs[1])]);
  const y = emitter.add('Add', [scaled, perChannel(inputs[2])]);
  return attrs.activation ? activate(emitter, attrs.activation, y) : y;
};

export const layerNorm: Lowering<'layerNorm'> = (emitter, { inputs, attrs }) => {
  const d = emitter.value(inputs[0]).shape.at(-1) ?? 0;
  const weight = inputs[1] === undefined ? ones(emitter, d) : emitter.tensor(inputs[1]);
  const args = [emitter.tensor(inputs[0]), weight];
  if (inputs[2] !== undefined) args.push(emitter.tensor(inputs[2]));
  return emitter.add('LayerNormalization', args, { axis: int(-1), epsilon: float(attrs.eps) });
};

/** SimplifiedLayerNormalization is the runtime's RMSNorm; it sits in the standard domain without being standard. */
export const rmsNorm: Lowering<'rmsNorm'> = (emitter, { inputs, attrs }) => {
  const { shape } = emitter.value(inputs[0]);
  const runs = [...shape.slice(0, -1), (shape.at(-1) ?? 0) / attrs.size, attrs.size];
  const whole = shape.at(-1) === attrs.size;
  const x = whole ? emitter.tensor(inputs[0]) : emitter.reshape(emitter.tensor(inputs[0]), shape, runs);
  const weight = inputs[1] === undefined ? ones(emitter, attrs.size) : emitter.tensor(inputs[1]);
  const attributes = { axis: int(-1), epsilon: float(attrs.eps) };
  const y = emitter.add('SimplifiedLayerNormalization', [x, weight], attributes);
  return whole ? y : emitter.reshape(y, runs, shape);
};
