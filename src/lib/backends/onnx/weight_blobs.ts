/** Fills the external blobs of an emitted model: weights as f32, or repacked blocks for MatMulNBits. */
import { throwIfAborted } from '../../base/abort';
import { elementCount } from '../../base/shape';
import { loadWeight, namedWeight } from '../../graph/load_weight';
import { weightShape, type NamedWeight, type WeightMap } from '../../graph/weights';
import type { EmittedModel, WeightSlot } from './emitter';
import { packedCodes, packedScales } from './packed_blocks';
import type { ExternalData } from './runtime';

/** f32 bytes decoded at a time beside the blob. */
const CHUNK_BYTES = 16 * 2 ** 20;
/** Weights read at a time: while one is decoded, the next ones are on their way from the disk. */
const MAX_READS = 32;

/** Rows [from, from + count) of the weight's own first axis. */
function rowsOf(weight: NamedWeight, from: number, count: number): NamedWeight {
  return { ...weight, rows: { start: (weight.rows?.start ?? 0) + from, count } };
}

async function fillF32(weight: NamedWeight, target: Float32Array, signal: AbortSignal | undefined): Promise<void> {
  const shape = weightShape(weight);
  const [rows = 1] = shape;
  const rowElems = elementCount(shape.slice(1));
  const chunkRows = Math.max(1, Math.floor(CHUNK_BYTES / 4 / Math.max(1, rowElems)));
  if (weight.transposed || shape.length === 0 || chunkRows >= rows || elementCount(shape) !== target.length) {
    target.set(await loadWeight(weight, target.length === elementCount(shape) ? shape : [target.length], signal));
    return;
  }
  for (let from = 0; from < rows; from += chunkRows) {
    const count = Math.min(chunkRows, rows - from);
    const values = await loadWeight(rowsOf(weight, from, count), [count, ...shape.slice(1)], signal);
    target.set(values, from * rowElems);
  }
}

async function fillSlot(weight: NamedWeight, slot: WeightSlot, blob: ArrayBuffer, signal: AbortSignal | undefined) {
  switch (slot.form) {
    case 'f32':
      return fillF32(weight, new Float32Array(blob, slot.offset, slot.length / 4), signal);
    case 'codes':
      return new Uint8Array(blob, slot.offset, slot.length).set(await packedCodes(weight, signal));
    case 'scales':
      return new Float32Array(blob, slot.offset, slot.length / 4).set(await packedScales(weight, signal));
    default:
      return slot.form satisfies never;
  }
}

/** Slots in their order, as many at a time as `MAX_READS` and `CHUNK_BYTES` allow; a larger one stands alone. */
function* readsOf(slots: readonly WeightSlot[]): Generator<WeightSlot[]> {
  let together: WeightSlot[] = [];
  let bytes = 0;
  for (const slot of slots) {
    if (together.length > 0 && (together.length === MAX_READS || bytes + slot.length > CHUNK_BYTES)) {
      yield together;
      together = [];
      bytes = 0;
    }
    together.push(slot);
    bytes += slot.length;
  }
  if (together.length > 0) yield together;
}

/**
 * Reads every weight of an emitted model into its blob, in the order of first use.
 * @param onProgress blob bytes done and to do
 * @throws AppError 'job/cancelled', 'file/…', 'quant/…', 'model/wrong-shape'
 */
export async function fillBlobs(
  { blobs, weightsBytes }: EmittedModel,
  weights: WeightMap,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (doneBytes: number, totalBytes: number) => void } = {},
): Promise<ExternalData[]> {
  let doneBytes = 0;
  onProgress?.(0, weightsBytes);
  const filled: ExternalData[] = [];
  for (const { location, sizeBytes, slots } of blobs) {
    const blob = new ArrayBuffer(sizeBytes);
    for (const together of readsOf(slots)) {
      throwIfAborted(signal);
      await Promise.all(together.map((slot) => fillSlot(namedWeight(weights, slot.weight), slot, blob, signal)));
      for (const { length } of together) doneBytes += length;
      onProgress?.(doneBytes, weightsBytes);
    }
    filled.push({ path: location, data: new Uint8Array(blob) });
  }
  return filled;
}
