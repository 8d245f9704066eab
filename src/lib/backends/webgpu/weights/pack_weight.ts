/**
 * Weight bytes in bounded chunks: file → chunk → device, never a whole tensor in the heap unless it is stored transposed
 * or strided. Chunks that only need another order go raw to a device that can rearrange them, else they are brought into
 * order here. No device here; the caller writes the chunks.
 */
import { throwIfAborted } from '../../../base/abort';
import { loadWeight } from '../../../graph/load_weight';
import type { NamedWeight } from '../../../graph/weights';
import type { Shape } from '../../../base/shape';
import { FP4_VALUES, NF4_VALUES } from '../../../quant/bnb_types';
import { absmaxOf, dequantizeTensor, readRaw } from '../../../quant/dequantize';
import { f32ToF16 } from '../../../quant/half';
import { BLOCK_LAYOUTS, CODE_LAYOUT, scaleBytesOf, type RepackLayout } from './block_layouts';
import { repackBlocks } from './repack_blocks';
import { alignUp, type WeightPart, type WeightPlan } from './weight_plan';

/** Bytes of a part's buffer from `offset` on. Offsets and lengths are multiples of 4. */
export type WriteChunk = (offset: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void> | void;

/** Consecutive stored blocks. */
export interface RawBlocks {
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly layout: RepackLayout;
  readonly blocks: number;
  /** Among the part's blocks; even, so that binary16 scales of a chunk fill whole words. */
  readonly firstBlock: number;
}

/** Consecutive stored rows [channels, taps]. */
export interface RawRows {
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly elementBytes: 1 | 2 | 4;
  readonly rows: number;
  readonly rowElems: number;
  readonly channels: number;
  readonly taps: number;
  /** Among the part's rows; the chunk's words start with it. */
  readonly firstRow: number;
}

/** A device that brings raw chunks into order by itself. */
export interface DeviceRepack {
  /** Longer chunks are left to the host. */
  readonly maxBytes: number;
  blocks(chunk: RawBlocks): Promise<void> | void;
  rows(chunk: RawRows): Promise<void> | void;
}

export interface PartSink {
  readonly write: WriteChunk;
  readonly device?: DeviceRepack | undefined;
}

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
  sink: PartSink,
  signal?: AbortSignal,
): Promise<void> {
  const { storage } = plan;
  const { write } = sink;
  const { tensor } = named;
  const strided = named.transposed === true || tensor.strides !== undefined;
  if (storage.kind === 'blocks') {
    await packBlocks(plan, part, named, sink, signal);
    return;
  }
  if (storage.kind === 'codes') {
    await packCodes(plan, part, named, sink, signal);
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
    if (!storage.converted) {
      const start = ((named.rows?.start ?? 0) + first) * plan.rowLength * storage.elementBytes;
      const length = rows * plan.rowLength * storage.elementBytes;
      const raw = await readRaw(tensor, { byteStart: start, byteLength: length, ...(signal ? { signal } : {}) });
      await writeRows(plan, { raw, rows, firstRow: row, elementBytes: storage.elementBytes }, sink);
      continue;
    }
    const out = new Uint8Array(alignUp(rows * rowBytes, 4));
    const values = whole
      ? whole.subarray(first * plan.rowLength, (first + rows) * plan.rowLength)
      : await decodeRows(plan, named, first, rows, signal);
    const target = storage.fragment === 'f16' ? new Uint16Array(out.buffer) : new Float32Array(out.buffer);
    const source = storage.fragment === 'f16' ? Uint16Array.from(values, f32ToF16) : values;
    arrangeRows(plan, rows, source, target);
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

/** Rows that keep their stored numbers, in the device's order. */
async function writeRows(
  plan: WeightPlan,
  chunk: Pick<RawRows, 'raw' | 'rows' | 'firstRow' | 'elementBytes'>,
  { write, device }: PartSink,
): Promise<void> {
  const { raw, rows, firstRow, elementBytes } = chunk;
  const { rowElems, channels, taps } = plan;
  const offset = firstRow * rowElems * elementBytes;
  if (rowElems === plan.rowLength && taps === 1) {
    await write(offset, raw);
    return;
  }
  if (device && raw.length <= device.maxBytes) {
    await device.rows({ ...chunk, rowElems, channels, taps });
    return;
  }
  const view = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[elementBytes];
  const out = new Uint8Array(alignUp(rows * rowElems * elementBytes, 4));
  const aligned = raw.byteOffset % elementBytes === 0 ? raw : raw.slice();
  const source = new view(aligned.buffer, aligned.byteOffset, raw.length / elementBytes);
  arrangeRows(plan, rows, source, new view(out.buffer));
  await write(offset, out);
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
  sink: PartSink,
  signal?: AbortSignal,
) {
  const layout = plan.storage.kind === 'blocks' ? BLOCK_LAYOUTS[plan.storage.type] : undefined;
  if (!layout) return;
  const { blockElems, blockBytes } = layout;
  const first = (((named.rows?.start ?? 0) + part.rowStart) * plan.rowLength) / blockElems;
  const blocks = Math.ceil((part.rows * plan.rowLength) / blockElems);
  const perChunk = 2 * Math.floor(CHUNK_ELEMS / blockElems / 2);
  for (let firstBlock = 0; firstBlock < blocks; firstBlock += perChunk) {
    throwIfAborted(signal);
    const count = Math.min(perChunk, blocks - firstBlock);
    const raw = await readRaw(named.tensor, {
      byteStart: (first + firstBlock) * blockBytes,
      byteLength: count * blockBytes,
      ...(signal ? { signal } : {}),
    });
    await writeBlocks({ raw, layout, blocks: count, firstBlock }, part, sink);
  }
}

async function writeBlocks(chunk: RawBlocks, { scalesOffset }: WeightPart, { write, device }: PartSink): Promise<void> {
  if (device && chunk.raw.length <= device.maxBytes) {
    await device.blocks(chunk);
    return;
  }
  const { raw, layout, blocks, firstBlock } = chunk;
  const { quants, scales } = repackBlocks(layout, new DataView(raw.buffer, raw.byteOffset, raw.byteLength), blocks);
  await write(4 * firstBlock * layout.quants.length, new Uint8Array(quants.buffer));
  if (scales.length > 0) await write(scalesOffset + firstBlock * scaleBytesOf(layout), new Uint8Array(scales.buffer));
}

/** Words of 8 codes; a last one that is not full is filled up. */
async function packCodes(plan: WeightPlan, part: WeightPart, named: NamedWeight, sink: PartSink, signal?: AbortSignal) {
  if (plan.storage.kind !== 'codes') return;
  const { blockSize } = plan.storage;
  const { tensor } = named;
  const options = signal ? { signal } : {};
  const firstElem = ((named.rows?.start ?? 0) + part.rowStart) * plan.rowLength;
  const elements = part.rows * plan.rowLength;
  for (let elem = 0; elem < elements; elem += CHUNK_ELEMS) {
    throwIfAborted(signal);
    const count = Math.min(CHUNK_ELEMS, elements - elem);
    const stored = await readRaw(tensor, {
      byteStart: (firstElem + elem) / 2,
      byteLength: Math.ceil(count / 2),
      ...options,
    });
    const raw = stored.length % 4 === 0 ? stored : new Uint8Array(alignUp(stored.length, 4));
    if (raw !== stored) raw.set(stored);
    await writeBlocks({ raw, layout: CODE_LAYOUT, blocks: raw.length / 4, firstBlock: elem / 8 }, part, sink);
  }
  const map = tensor.companions?.quant_map;
  const values = map ? await dequantizeTensor(map, options) : tensor.type === 'NF4' ? NF4_VALUES : FP4_VALUES;
  const absmax = await absmaxOf(tensor, signal);
  const scales = new Float32Array(part.scaleBytes / 4);
  scales.set(values.subarray(0, 16));
  const firstBlock = firstElem / blockSize;
  scales.set(absmax.subarray(firstBlock, firstBlock + scales.length - 16), 16);
  await sink.write(part.scalesOffset, bytesOf(scales));
}

/** The bytes of an array; filled up with zeros to `length`. */
function bytesOf(values: Float32Array, length = values.byteLength): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length);
  out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return out;
}
