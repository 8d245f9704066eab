/** Fully connected layers. */
import { elementCount } from '../../../base/shape';
import { int } from '../onnx_proto';
import { activate } from './activation';
import type { Lowering } from './lowering';

/**
 * Gemm with the weight as PyTorch stores it (transB), over rows `[M, K]`; other ranks are reshaped around it, which
 * moves no bytes, and the bias costs no pass of its own.
 */
export const linear: Lowering<'linear'> = (emitter, { inputs, attrs, output }) => {
  const [xId, weightId, biasId, residualId] = inputs;
  const { shape } = emitter.value(xId);
  const k = shape.at(-1) ?? 0;
  const rows = elementCount(shape) / k;
  const n = emitter.value(weightId).shape[0] ?? 0;
  const x = emitter.reshape(emitter.tensor(xId), shape, [rows, k]);
  const bias = biasId === undefined ? undefined : emitter.tensor(biasId);
  const packed = weightId === undefined || rows < emitter.options.minPackedRows ? undefined : emitter.packed(weightId);
  let y: string;
  if (packed) {
    const args = [x, packed.codes, packed.scales, ...(bias === undefined ? [] : ['', '', bias])];
    y = emitter.addContrib('MatMulNBits', args, {
      K: int(k),
      N: int(n),
      bits: int(packed.bits),
      block_size: int(32),
      accuracy_level: int(emitter.options.matMulAccuracy),
    });
  } else {
    const args = [x, emitter.tensor(weightId), ...(bias === undefined ? [] : [bias])];
    y = emitter.add('Gemm', args, { transB: int(1) });
  }
  if (attrs.activation) y = activate(emitter, attrs.activation, y);
  y = emitter.reshape(y, [rows, n], emitter.value(output).shape);
  return residualId === undefined ? y : emitter.add('Add', [y, emitter.tensor(residualId)]);
};
