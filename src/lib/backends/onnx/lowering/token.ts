/** Lookups and position features of token sequences. */
import { timestepFrequencies } from '../../../graph/ops/timestep_embedding';
import { int, ONNX_TYPE } from '../onnx_proto';
import type { Lowering } from './lowering';

export const embedding: Lowering<'embedding'> = (emitter, { inputs }) =>
  emitter.add('Gather', [emitter.tensor(inputs[1]), emitter.tensor(inputs[0])], { axis: int(0) });

export const gatherToken: Lowering<'gatherToken'> = (emitter, { inputs }) => {
  const { shape } = emitter.value(inputs[1]);
  const wide = emitter.add('Cast', [emitter.tensor(inputs[1])], { to: int(ONNX_TYPE.i64) });
  const index = emitter.reshape(wide, shape, [...shape, 1]);
  return emitter.add('GatherND', [emitter.tensor(inputs[0]), index], { batch_dims: int(1) });
};

export const timestepEmbedding: Lowering<'timestepEmbedding'> = (emitter, { inputs, attrs }) => {
  const [n = 0] = emitter.value(inputs[0]).shape;
  const frequencies = timestepFrequencies(attrs);
  const column = emitter.reshape(emitter.tensor(inputs[0]), [n], [n, 1]);
  const t = attrs.scale === 1 ? column : emitter.add('Mul', [column, emitter.scalar(attrs.scale)]);
  const angles = emitter.add('Mul', [t, emitter.floats(frequencies, [1, frequencies.length])]);
  const parts = [emitter.add('Cos', [angles]), emitter.add('Sin', [angles])];
  if (attrs.first === 'sin') parts.reverse();
  return emitter.add('Concat', parts, { axis: int(-1) });
};

/** The runtime's RotaryEmbedding; tables that differ per image become one table with running positions. */
export const rope: Lowering<'rope'> = (emitter, { inputs, attrs }) => {
  const [n = 0, t = 0] = emitter.value(inputs[0]).shape;
  const { shape } = emitter.value(inputs[1]);
  const [batch = 0, , half = 0] = shape;
  const table = (id: number | undefined) => emitter.reshape(emitter.tensor(id), shape, [batch * t, half]);
  const positions = Array.from({ length: n * t }, (_, i) => (batch === 1 ? i % t : i));
  const positionIds = emitter.reshape(emitter.ints(positions), [n * t], [n, t]);
  return emitter.addContrib(
    'RotaryEmbedding',
    [emitter.tensor(inputs[0]), positionIds, table(inputs[1]), table(inputs[2])],
    {
      interleaved: int(attrs.pairing === 'interleaved' ? 1 : 0),
      num_heads: int(attrs.heads),
    },
  );
};
