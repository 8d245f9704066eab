/** Operators that only move elements. */
import type { ValueId } from '../../../graph/ir';
import { int, ints } from '../onnx_proto';
import type { Emitter, Lowering, TensorName } from './lowering';

export const concat: Lowering<'concat'> = (emitter, { inputs, attrs }) =>
  emitter.add(
    'Concat',
    inputs.map((id) => emitter.tensor(id)),
    { axis: int(attrs.axis) },
  );

/** Rows start..start+length of one axis. */
export function sliced(emitter: Emitter, x: TensorName, axis: number, start: number, length: number): TensorName {
  return emitter.add('Slice', [x, emitter.ints([start]), emitter.ints([start + length]), emitter.ints([axis])]);
}

export const slice: Lowering<'slice'> = (emitter, { inputs, attrs }) =>
  sliced(emitter, emitter.tensor(inputs[0]), attrs.axis, attrs.start, attrs.length);

const reshapeTo = (emitter: Emitter, input: ValueId | undefined, output: ValueId): TensorName =>
  emitter.reshape(emitter.tensor(input), emitter.value(input).shape, emitter.value(output).shape);

export const reshape: Lowering<'reshape'> = (emitter, { inputs, output }) => reshapeTo(emitter, inputs[0], output);

export const vectorToImage: Lowering<'vectorToImage'> = (emitter, { inputs, output }) =>
  reshapeTo(emitter, inputs[0], output);

export const transpose: Lowering<'transpose'> = (emitter, { inputs, attrs }) =>
  emitter.add('Transpose', [emitter.tensor(inputs[0])], { perm: ints(attrs.order) });

export const imageToTokens: Lowering<'imageToTokens'> = (emitter, { inputs }) => {
  const { shape } = emitter.value(inputs[0]);
  const [n = 0, c = 0, h = 0, w = 0] = shape;
  const flat = emitter.reshape(emitter.tensor(inputs[0]), shape, [n, c, h * w]);
  return emitter.add('Transpose', [flat], { perm: ints([0, 2, 1]) });
};

export const tokensToImage: Lowering<'tokensToImage'> = (emitter, { inputs, output }) => {
  const [n = 0, t = 0, c = 0] = emitter.value(inputs[0]).shape;
  const planes = emitter.add('Transpose', [emitter.tensor(inputs[0])], { perm: ints([0, 2, 1]) });
  return emitter.reshape(planes, [n, c, t], emitter.value(output).shape);
};
