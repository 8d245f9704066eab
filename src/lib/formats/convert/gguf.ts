/** A planned model as GGUF, tensor by tensor. */
import { readRaw } from '../../quant/dequantize';
import { canQuantize, quantize } from '../../quant/quantize';
import { packedBytes, quantType } from '../../quant/registry';
import { elementCount } from '../../quant/tensor';
import { ggufHeader, ggufPadding, origShapeKey, type GgufWriteValue } from '../gguf_write';
import type { TensorIndex } from '../tensor_index';
import { ErrorStatistics, valueChunks } from './chunks';
import type { Conversion, ConvertedTensor } from './conversion';
import type { TensorPlan } from './plan';

/**
 * @param architecture value of `general.architecture`
 * @throws AppError 'argument/invalid' for names and shapes that GGUF cannot hold
 */
export function ggufConversion(index: TensorIndex, plans: readonly TensorPlan[], architecture: string): Conversion {
  const metadata = new Map<string, GgufWriteValue>([
    ['general.architecture', architecture],
    ['general.quantization_version', 2],
  ]);
  for (const [key, value] of index.metadata) {
    const text = typeof value === 'string' && key !== '' && !metadata.has(key);
    if (text) metadata.set(key, value);
  }
  for (const plan of plans) {
    if (plan.reshaped) metadata.set(origShapeKey(plan.tensor.name), plan.tensor.shape);
  }
  const header = ggufHeader(
    plans.map((plan) => plan.stored),
    metadata,
  );
  const end = header.ranges.at(-1)?.end ?? 0;
  return {
    sizeBytes: header.bytes.length + end + ggufPadding(end),
    async *write(signal, onTensor) {
      yield header.bytes;
      for (const plan of plans) {
        onTensor(yield* tensorBytes(plan, signal));
        const padding = ggufPadding(packedBytes(quantType(plan.stored.type), elementCount(plan.stored.shape)));
        if (padding > 0) yield new Uint8Array(padding);
      }
    },
  };
}

/** The bytes of one tensor; one that keeps its type is copied byte for byte. */
export async function* tensorBytes(
  { tensor, stored }: TensorPlan,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>, ConvertedTensor> {
  const type = quantType(stored.type);
  const statistics = new ErrorStatistics();
  let bytes = 0;
  if (stored.type === tensor.type || !canQuantize(stored.type)) {
    const raw = await readRaw(tensor, { signal });
    bytes = raw.length;
    yield raw;
  } else {
    for await (const values of valueChunks(tensor, type.blockElems, signal)) {
      const packed = quantize(stored.type, values);
      const back = new Float32Array(values.length);
      type.dequantize?.(packed, values.length, back);
      statistics.add(values, back);
      bytes += packed.length;
      yield packed;
    }
  }
  const { name, shape, type: from } = tensor;
  return { name, shape, from, to: stored.type, bytes, nmse: statistics.nmse, maxAbs: statistics.maxAbs };
}
