/** Writes a planned model as GGUF, tensor by tensor. */
import type { FileHandle } from 'node:fs/promises';
import { ggufHeader, ggufPadding, origShapeKey, type GgufWriteValue } from '../../lib/formats/gguf_write';
import type { TensorIndex } from '../../lib/formats/tensor_index';
import { readRaw } from '../../lib/quant/dequantize';
import { canQuantize, quantize } from '../../lib/quant/quantize';
import { quantType } from '../../lib/quant/registry';
import { ErrorStatistics, valueChunks } from './chunks';
import type { TensorPlan } from './plan';
import type { Row } from './table';

/**
 * @param architecture value of `general.architecture`
 * @returns one row per tensor for the error table
 */
export async function writeGguf(
  file: FileHandle,
  index: TensorIndex,
  plans: readonly TensorPlan[],
  architecture: string,
  signal: AbortSignal,
): Promise<Row[]> {
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
  await file.write(header.bytes);
  const rows: Row[] = [];
  for (const plan of plans) rows.push(await writeTensor(file, plan, signal));
  return rows;
}

/** Writes one tensor and its padding; a tensor that keeps its type is copied byte for byte. */
export async function writeTensor(
  file: FileHandle,
  { tensor, stored }: TensorPlan,
  signal: AbortSignal,
  pad = true,
): Promise<Row> {
  const type = quantType(stored.type);
  const statistics = new ErrorStatistics();
  let written = 0;
  if (stored.type === tensor.type || !canQuantize(stored.type)) {
    const bytes = await readRaw(tensor, { signal });
    await file.write(bytes);
    written = bytes.length;
  } else {
    for await (const values of valueChunks(tensor, type.blockElems, signal)) {
      const packed = quantize(stored.type, values);
      const back = new Float32Array(values.length);
      type.dequantize?.(packed, values.length, back);
      statistics.add(values, back);
      await file.write(packed);
      written += packed.length;
    }
  }
  if (pad) await file.write(new Uint8Array(ggufPadding(written)));
  return {
    name: tensor.name,
    shape: tensor.shape,
    from: tensor.type,
    to: stored.type,
    bytes: written,
    nmse: statistics.nmse,
    maxAbs: statistics.maxAbs,
  };
}
