/**
 * Weight bytes in device order, produced in bounded chunks: file → chunk → device, never a whole tensor in the heap
 * unless it is stored transposed or strided. No device here; the caller writes the chunks.
 */
import { throwIfAborted } from '../../../base/abort';
import { loadWeight } from '../../../graph/load_weight';
import type { NamedWeight } from '../../../graph/weights';
import type { Shape } from '../../../base/shape';
import { FP4_VALUES, NF4_VALUES } from '../../../quant/bnb_types';
import { absmaxOf, dequantizeTensor, readRaw } from '../../../quant/dequantize';
import { f32ToF16 } from '../../../quant/half';
import { BLOCK_LAYOUTS } from './block_layouts';
import { alignUp, type WeightPart, type WeightPlan } from './weight_plan';

/** Bytes of a part's buffer from `offset` on. Offsets and lengths are multiples of 4. */
export type WriteChunk = (offset: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void> | void;

/** Elements per chunk: at most 4 MiB decoded, so that a load never needs more than a few chunks of host memory. */
const CHUNK_ELEMS = 1024 * 1024;

/**
 * Writes one part of a weight.
 * @throws AppError 'file/…', 'quant/…', 'model/wrong-shape', 'job/cancelled'
 */
export async function packPart(
  plan: WeightPlan,
  part: WeightPart,
  named: NamedWeight,
  shape: Shape,
  write: WriteChunk,
  signal?: AbortSignal,
): Promise<void> {
  const { storage } = plan;
  const { tensor } = named;
  const strided = named.transposed === true || tensor.strides !== undefined;
  if (storage.kind === 'blocks') {
    await packBlocks(plan, part, named, write, signal);
    return;
  }
  if (storage.kind === 'codes') {
    await packCodes(plan, part, named, write, signal);
    return;
  }
  if (plan.form === 'plain') {
    await write(0, bytesOf(await loadWeight(named, shape, signal), part.quantBytes));
    return;
  }
  // A strided tensor is gathered as a whole in any case: one chunk.
  const perChunk = strided ? part.rows : Math.max(1, Math.floor(CHUNK_ELEMS / plan.rowElems));
  const rowBytes = plan.rowElems * storage.elementBytes;
  const whole = storage.converted && strided ? await loadWeight(named, shape, signal) : undefined;
  for (let row = 0; row < part.rows; row += perChunk) {
    throwIfAborted(signal);
    const rows = Math.min(perChunk, part.rows - row);
    const first = part.rowStart + row;
    const out = new Uint8Array(alignUp(rows * rowBytes, 4));
    if (storage.converted) {
      const values = whole
        ? whole.subarray(first * plan.rowLength, (first + rows) * plan.rowLength)
        : await decodeRows(plan, named, first, rows, signal);
      const target = storage.fragment === 'f16' ? new Uint16Array(out.buffer) : new Float32Array(out.buffer);
      const source = storage.fragment === 'f16' ? Uint16Array.from(values, f32ToF16) : values;
      arrangeRows(plan, rows, source, target);
    } else {
      const start = ((named.rows?.start ?? 0) + first) * plan.rowLength * storage.elementBytes;
      const length = rows * plan.rowLength * storage.elementBytes;
      const raw = await readRaw(tensor, { byteStart: start, byteLength: length, ...(signal ? { signal } : {}) });
      const aligned = raw.byteOffset % storage.elementBytes === 0 ? raw : raw.slice();
      const view = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[storage.elementBytes];
      const source = new view(aligned.buffer, aligned.byteOffset, length / storage.elementBytes);
      arrangeRows(plan, rows, source, new view(out.buffer));
    }
    await write(row * rowBytes, out);
  }
  if (storage.elementBytes === 1) await write(part.scalesOffset, bytesOf(await rowScales(plan, part, named, signal)));
}

/** Rows as f32, from the stored tensor whose first axis may group the network's rows otherwise. */
async function decodeRows(plan: WeightPlan, named: NamedWeight, first: number, rows: number, signal?: AbortSignal) {
  const { tensor } = named;
  const storedRows = tensor.shape[0] ?? 1;
  const skipped = named.rows?.start ?? 0;
  const options = signal ? { signal } : {};
  const viewRows = named.rows?.count ?? storedRows;
  if (viewRows === plan.rows) {
    return dequantizeTensor(tensor, { rowStart: skipped + first, rowCount: rows, ...options });
  }
  const all = await dequantizeTensor(
    tensor,
    named.rows ? { rowStart: skipped, rowCount: viewRows, ...options } : options,
  );
  return all.subarray(first * plan.rowLength, (first + rows) * plan.rowLength);
}

type Elements = Uint8Array | Uint16Array | Uint32Array | Float32Array;

/** Rows [channels, taps] → [taps, channels filled up to 4]; a matrix has one tap. */
function arrangeRows(plan: WeightPlan, rows: number, source: Elements, target: Elements): void {
  const { channels, taps, rowLength, rowElems } = plan;
  const padded = rowElems / taps;
  for (let row = 0; row < rows; row++) {
    const from = row * rowLength;
    const to = row * rowElems;
    if (taps === 1) {
      target.set(source.subarray(from, from + rowLength), to);
      continue;
    }
    for (let c = 0; c < channels; c++) {
      for (let tap = 0; tap < taps; tap++) target[to + tap * padded + c] = source[from + c * taps + tap] ?? 0;
    }
  }
}

/** One f32 per row: SCB / 127 of LLM.int8, `scale` of scaled types, 1 without. */
async function rowScales(plan: WeightPlan, part: WeightPart, { tensor, rows }: NamedWeight, signal?: AbortSignal) {
  const companion = tensor.companions?.SCB ?? tensor.companions?.scale;
  const scales = new Float32Array(part.rows).fill(1);
  if (!companion) return scales;
  const values = await dequantizeTensor(companion, signal ? { signal } : {});
  const divisor = tensor.companions?.SCB ? 127 : 1;
  const first = (rows?.start ?? 0) + part.rowStart;
  return scales.map((_, i) => (values[values.length === 1 ? 0 : first + i] ?? 0) / divisor);
}

async function packBlocks(
  plan: WeightPlan,
  part: WeightPart,
  named: NamedWeight,
  write: WriteChunk,
  signal?: AbortSignal,
) {
  const layout = plan.storage.kind === 'blocks' ? BLOCK_LAYOUTS[plan.storage.type] : undefined;
  if (!layout) return;
  const { blockElems, blockBytes, quantWords, scaleBytes } = layout;
  const first = (((named.rows?.start ?? 0) + part.rowStart) * plan.rowLength) / blockElems;
  const blocks = Math.ceil((part.rows * plan.rowLength) / blockElems);
  // An even number, so that binary16 scales of a chunk fill whole words.
  const perChunk = 2 * Math.floor(CHUNK_ELEMS / blockElems / 2);
  for (let block = 0; block < blocks; block += perChunk) {
    throwIfAborted(signal);
    const count = Math.min(perChunk, blocks - block);
    const raw = await readRaw(named.tensor, {
      byteStart: (first + block) * blockBytes,
      byteLength: count * blockBytes,
      ...(signal ? { signal } : {}),
    });
    const bytes = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const quants = new Uint32Array(count * quantWords);
    const scales = new DataView(new ArrayBuffer(alignUp(count * scaleBytes, 4)));
    for (let i = 0; i < count; i++)
      layout.repack(bytes, i * blockBytes, quants, i * quantWords, scales, i * scaleBytes);
    await write(4 * block * quantWords, new Uint8Array(quants.buffer));
    await write(part.scalesOffset + block * scaleBytes, new Uint8Array(scales.buffer));
  }
}

/** bitsandbytes codes: the file has the even element in the HIGH nibble, words have it lowest. */
async function packCodes(
  plan: WeightPlan,
  part: WeightPart,
  named: NamedWeight,
  write: WriteChunk,
  signal?: AbortSignal,
) {
  if (plan.storage.kind !== 'codes') return;
  const { blockSize } = plan.storage;
  const { tensor } = named;
  const options = signal ? { signal } : {};
  const firstElem = ((named.rows?.start ?? 0) + part.rowStart) * plan.rowLength;
  const elements = part.rows * plan.rowLength;
  for (let elem = 0; elem < elements; elem += CHUNK_ELEMS) {
    throwIfAborted(signal);
    const count = Math.min(CHUNK_ELEMS, elements - elem);
    const raw = await readRaw(tensor, {
      byteStart: (firstElem + elem) / 2,
      byteLength: Math.ceil(count / 2),
      ...options,
    });
    const out = new Uint8Array(alignUp(raw.length, 4));
    for (let i = 0; i < raw.length; i++) {
      const pair = raw[i] ?? 0;
      out[i] = (pair >> 4) | ((pair & 15) << 4);
    }
    await write(elem / 2, out);
  }
  const map = tensor.companions?.quant_map;
  const values = map ? await dequantizeTensor(map, options) : tensor.type === 'NF4' ? NF4_VALUES : FP4_VALUES;
  const absmax = await absmaxOf(tensor, signal);
  const scales = new Float32Array(part.scaleBytes / 4);
  scales.set(values.subarray(0, 16));
  const firstBlock = firstElem / blockSize;
  scales.set(absmax.subarray(firstBlock, firstBlock + scales.length - 16), 16);
  await write(part.scalesOffset, bytesOf(scales));
}

/** The bytes of an array; filled up with zeros to `length`. */
function bytesOf(values: Float32Array, length = values.byteLength): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return out;
}
