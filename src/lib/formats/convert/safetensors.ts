/** A planned model as safetensors; NF4 tensors in the bitsandbytes key layout. */
import { NF4_VALUES } from '../../quant/bnb_types';
import { quantizeNf4 } from '../../quant/quantize_nf4';
import { quantType } from '../../quant/registry';
import { elementCount } from '../../quant/tensor';
import { safetensorsHeader, type PlannedTensor } from '../safetensors_write';
import type { TensorIndex } from '../tensor_index';
import { ErrorStatistics, valueChunks } from './chunks';
import type { Conversion, ConvertedTensor } from './conversion';
import { tensorBytes } from './gguf';
import type { TensorPlan } from './plan';

const BLOCK = 64;

/** @throws AppError 'argument/invalid' for types that safetensors has no name for */
export function safetensorsConversion(index: TensorIndex, plans: readonly TensorPlan[]): Conversion {
  const metadata = new Map<string, string>();
  for (const [key, value] of index.metadata) if (typeof value === 'string') metadata.set(key, value);
  const parts = plans.flatMap((plan) => (plan.stored.type === 'NF4' ? nf4Parts(plan) : [plan.stored]));
  const header = safetensorsHeader(parts, metadata);
  return {
    sizeBytes: header.bytes.length + (header.ranges.at(-1)?.end ?? 0),
    async *write(signal, onTensor) {
      yield header.bytes;
      for (const plan of plans) {
        onTensor(yield* plan.stored.type === 'NF4' ? nf4Bytes(plan, signal) : tensorBytes(plan, signal));
      }
    },
  };
}

function quantState({ tensor }: Pick<TensorPlan, 'tensor'>): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify({ quant_type: 'nf4', blocksize: BLOCK, dtype: 'float16', shape: tensor.shape }),
  );
}

/** The tensors that stand for one NF4 weight, in the order they are written. */
function nf4Parts(plan: TensorPlan): PlannedTensor[] {
  const elements = elementCount(plan.tensor.shape);
  const { name } = plan.stored;
  return [
    { name, type: 'U8', shape: [Math.ceil(elements / 2), 1] },
    { name: `${name}.absmax`, type: 'F32', shape: [Math.ceil(elements / BLOCK)] },
    { name: `${name}.quant_map`, type: 'F32', shape: [NF4_VALUES.length] },
    { name: `${name}.quant_state.bitsandbytes__nf4`, type: 'U8', shape: [quantState(plan).length] },
  ];
}

async function* nf4Bytes(
  plan: TensorPlan,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>, ConvertedTensor> {
  const { tensor } = plan;
  const statistics = new ErrorStatistics();
  const absmax: Float32Array[] = [];
  let bytes = 0;
  for await (const values of valueChunks(tensor, BLOCK, signal)) {
    const block = quantizeNf4(values, BLOCK);
    const back = new Float32Array(values.length);
    quantType('NF4').dequantize?.(block.packed, values.length, back);
    for (let i = 0; i < back.length; i++) back[i] = (back[i] ?? 0) * (block.absmax[Math.floor(i / BLOCK)] ?? 0);
    statistics.add(values, back);
    absmax.push(block.absmax);
    bytes += block.packed.length;
    yield new Uint8Array(block.packed);
  }
  for (const part of [...absmax, NF4_VALUES, quantState(plan)]) {
    bytes += part.byteLength;
    // A copy: the tables are shared, and what is handed out may be transferred.
    yield new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice();
  }
  const { name, shape, type: from } = tensor;
  return { name, shape, from, to: 'NF4', bytes, nmse: statistics.nmse, maxAbs: statistics.maxAbs };
}
