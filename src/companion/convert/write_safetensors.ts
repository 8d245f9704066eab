/** Writes a planned model as safetensors; NF4 tensors in the bitsandbytes key layout. */
import type { FileHandle } from 'node:fs/promises';
import { safetensorsHeader, type PlannedTensor } from '../../lib/formats/safetensors_write';
import type { TensorIndex } from '../../lib/formats/tensor_index';
import { NF4_VALUES } from '../../lib/quant/bnb_types';
import { quantizeNf4 } from '../../lib/quant/quantize_nf4';
import { quantType } from '../../lib/quant/registry';
import { elementCount } from '../../lib/quant/tensor';
import { ErrorStatistics, valueChunks } from './chunks';
import type { TensorPlan } from './plan';
import type { Row } from './table';
import { writeTensor } from './write_gguf';

const BLOCK = 64;

/** @returns one row per tensor of the input for the error table */
export async function writeSafetensorsFile(
  file: FileHandle,
  index: TensorIndex,
  plans: readonly TensorPlan[],
  signal: AbortSignal,
): Promise<Row[]> {
  const metadata = new Map<string, string>();
  for (const [key, value] of index.metadata) if (typeof value === 'string') metadata.set(key, value);
  const parts = plans.flatMap((plan) => (plan.stored.type === 'NF4' ? nf4Parts(plan) : [plan.stored]));
  await file.write(safetensorsHeader(parts, metadata).bytes);
  const rows: Row[] = [];
  for (const plan of plans) {
    rows.push(
      plan.stored.type === 'NF4' ? await writeNf4(file, plan, signal) : await writeTensor(file, plan, signal, false),
    );
  }
  return rows;
}

function quantState(plan: TensorPlan): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ quant_type: 'nf4', blocksize: BLOCK, dtype: 'float16', shape: plan.tensor.shape }),
  );
}

/** The tensors that stand for one NF4 weight, in the order they are written. */
function nf4Parts({ tensor, stored }: TensorPlan): PlannedTensor[] {
  const elements = elementCount(tensor.shape);
  const { name } = stored;
  return [
    { name, type: 'U8', shape: [Math.ceil(elements / 2), 1] },
    { name: `${name}.absmax`, type: 'F32', shape: [Math.ceil(elements / BLOCK)] },
    { name: `${name}.quant_map`, type: 'F32', shape: [NF4_VALUES.length] },
    {
      name: `${name}.quant_state.bitsandbytes__nf4`,
      type: 'U8',
      shape: [quantState({ tensor, stored, reshaped: false }).length],
    },
  ];
}

async function writeNf4(file: FileHandle, plan: TensorPlan, signal: AbortSignal): Promise<Row> {
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
    await file.write(block.packed);
    bytes += block.packed.length;
  }
  for (const part of [...absmax, NF4_VALUES, quantState(plan)]) {
    await file.write(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    bytes += part.byteLength;
  }
  const { nmse, maxAbs } = statistics;
  return { name: tensor.name, shape: tensor.shape, from: tensor.type, to: 'NF4', bytes, nmse, maxAbs };
}
