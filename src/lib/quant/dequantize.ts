/**
 * Stored tensors as f32 or as raw bytes, read by ranges in chunks. The CPU truth that kernels are tested against.
 * Knows tensors and types, not containers.
 */
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import { NF4_VALUES, FP4_VALUES, highNibbleFirst } from './bnb_types';
import { packedBytes, quantType, type QuantType } from './registry';
import { elementCount, type StoredTensor } from './tensor';
import type { Dequantize } from './type_def';

/** Bytes read at a time; also the size of the only temporary buffer. */
const CHUNK_BYTES = 4 * 1024 * 1024;

export interface DequantizeOptions {
  /** First row (index of the outermost dimension); default 0. */
  readonly rowStart?: number;
  /** Rows to read; default: all that follow. */
  readonly rowCount?: number;
  readonly signal?: AbortSignal;
}

/**
 * Values of a tensor as f32 in row-major order, scales applied.
 * @param tensor any type but the opaque ones; up to 2^32 elements per call
 * @param options a range of the outermost dimension
 * @returns rowCount * (elements per row) values; bit-exact with the format's reference decoder
 * @throws AppError 'quant/no-decoder' for opaque types, 'quant/bad-companion' for missing or misfitting scales,
 *   'argument/invalid' for a row range outside the tensor, 'file/*' from the source, 'job/cancelled'
 */
export async function dequantizeTensor(tensor: StoredTensor, options: DequantizeOptions = {}): Promise<Float32Array> {
  const { start, count } = elementRange(tensor, options);
  const out = new Float32Array(count);
  if (count === 0) return out;
  if (tensor.strides) await decodeStrided(tensor, start, out, options.signal);
  else await decodeRange(tensor, await decoderOf(tensor, options.signal), start, out, options.signal);
  await applyScales(tensor, start, out, options.signal);
  return out;
}

/**
 * Bytes of a tensor, contiguous and little-endian whatever the file has; companions not applied.
 * @param range bytes of that contiguous form, for types that are stored so; default: all
 * @throws AppError 'argument/invalid' for a range outside, 'file/*' from the source
 */
export async function readRaw(
  tensor: StoredTensor,
  range: { readonly byteStart?: number; readonly byteLength?: number; readonly signal?: AbortSignal } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const type = quantType(tensor.type);
  const total = packedBytes(type, elementCount(tensor.shape));
  const start = range.byteStart ?? 0;
  const length = range.byteLength ?? total - start;
  if (!(start >= 0 && length >= 0 && start + length <= total)) {
    throw new AppError(
      'argument/invalid',
      `readRaw: "${tensor.name}" has ${total} bytes, bytes ${start}..${start + length} were asked for.`,
      { details: { name: tensor.name, start, length, total } },
    );
  }
  if (tensor.strides) return (await gather(tensor, type, range.signal)).slice(start, start + length);
  if (!tensor.byteOrder) return tensor.source.read(tensor.byteOffset + start, length, range.signal);
  // Swapping needs whole blocks.
  const first = Math.floor(start / type.blockBytes) * type.blockBytes;
  const end = Math.min(Math.ceil((start + length) / type.blockBytes) * type.blockBytes, total);
  const bytes = (await tensor.source.read(tensor.byteOffset + first, end - first, range.signal)).slice();
  swapWords(bytes, type);
  return bytes.subarray(start - first, start - first + length);
}

function elementRange(tensor: StoredTensor, options: DequantizeOptions): { start: number; count: number } {
  const rows = tensor.shape[0] ?? 1;
  const rowElems = elementCount(tensor.shape.slice(1));
  const rowStart = options.rowStart ?? 0;
  const rowCount = options.rowCount ?? rows - rowStart;
  const whole = Number.isInteger(rowStart) && Number.isInteger(rowCount);
  if (!whole || rowStart < 0 || rowCount < 0 || rowStart + rowCount > rows) {
    throw new AppError(
      'argument/invalid',
      `dequantizeTensor: "${tensor.name}" has ${rows} rows, rows ${rowStart}..${rowStart + rowCount} were asked for.`,
      { details: { name: tensor.name, rows, rowStart, rowCount } },
    );
  }
  const count = rowCount * rowElems;
  if (count > 2 ** 32 - 1) {
    throw new AppError(
      'argument/invalid',
      `dequantizeTensor: "${tensor.name}" has ${count} elements in the asked range, one call gives at most 2^32 - 1; ask for fewer rows.`,
      { details: { name: tensor.name, count } },
    );
  }
  return { start: rowStart * rowElems, count };
}

/** The type's decoder; bitsandbytes files may bring their own table of code values. */
async function decoderOf(tensor: StoredTensor, signal: AbortSignal | undefined): Promise<Dequantize> {
  const type = quantType(tensor.type);
  if (!type.dequantize) {
    throw new AppError(
      'quant/no-decoder',
      `dequantize: "${tensor.name}" has type ${tensor.type} (${type.label}), which this product only stores; convert the file to another type.`,
      { details: { name: tensor.name, type: tensor.type } },
    );
  }
  const map = tensor.companions?.quant_map;
  if (!map) return type.dequantize;
  const values = await companionValues(tensor, 'quant_map', 16, signal);
  const standard = tensor.type === 'NF4' ? NF4_VALUES : FP4_VALUES;
  return values.every((value, i) => value === standard[i]) ? type.dequantize : highNibbleFirst(values);
}

/** Decodes elements start.. of a row-major tensor; blocks cut by the range are decoded beside and copied. */
async function decodeRange(
  tensor: StoredTensor,
  decode: Dequantize,
  start: number,
  out: Float32Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const type = quantType(tensor.type);
  const { blockElems, blockBytes } = type;
  const elements = elementCount(tensor.shape);
  const end = start + out.length;
  const blocksPerChunk = Math.max(1, Math.floor(CHUNK_BYTES / blockBytes));
  const lastBlock = Math.ceil(end / blockElems);
  for (let block = Math.floor(start / blockElems); block < lastBlock; block += blocksPerChunk) {
    throwIfAborted(signal);
    const blockCount = Math.min(blocksPerChunk, lastBlock - block);
    let bytes = await tensor.source.read(tensor.byteOffset + block * blockBytes, blockCount * blockBytes, signal);
    if (tensor.byteOrder && type.words) {
      bytes = bytes.slice();
      swapWords(bytes, type);
    }
    const from = block * blockElems;
    const count = Math.min(blockCount * blockElems, elements - from);
    if (from >= start && from + count <= end && (count % blockElems === 0 || type.kind === 'companion')) {
      decode(bytes, count, out, from - start);
    } else {
      const whole = new Float32Array(blockCount * blockElems);
      decode(bytes, whole.length, whole);
      const low = Math.max(start, from);
      const high = Math.min(end, from + count);
      out.set(whole.subarray(low - from, high - from), low - start);
    }
  }
}

/** Byte-swaps the multi-byte words of every block in place: a big-endian file becomes little-endian. */
function swapWords(bytes: Uint8Array, type: QuantType): void {
  for (const run of type.words ?? []) {
    for (let block = 0; block + type.blockBytes <= bytes.length; block += type.blockBytes) {
      for (let i = 0; i < run.count; i++) {
        const at = block + run.offset + i * run.width;
        bytes.subarray(at, at + run.width).reverse();
      }
    }
  }
}

/** Elements of a strided view in logical order, as bytes. Reads the extent once; readers bound it against the view. */
async function gather(tensor: StoredTensor, type: QuantType, signal: AbortSignal | undefined) {
  const extent = await tensor.source.read(tensor.byteOffset, tensor.byteLength, signal);
  const width = type.blockBytes;
  const elements = elementCount(tensor.shape);
  const out = new Uint8Array(elements * width);
  walk(tensor.shape, tensor.strides ?? [], 0, elements, (logical, stored) => {
    for (let b = 0; b < width; b++) out[logical * width + b] = extent[stored * width + b] ?? 0;
  });
  return out;
}

async function decodeStrided(tensor: StoredTensor, start: number, out: Float32Array, signal: AbortSignal | undefined) {
  const type = quantType(tensor.type);
  const decode = await decoderOf(tensor, signal);
  const extent = await tensor.source.read(tensor.byteOffset, tensor.byteLength, signal);
  const stored = new Float32Array(extent.length / type.blockBytes);
  decode(extent, stored.length, stored);
  walk(tensor.shape, tensor.strides ?? [], start, out.length, (logical, at) => {
    out[logical - start] = stored[at] ?? 0;
  });
}

/** Visits logical elements start..start+count with their place in the storage, an odometer over the dimensions. */
function walk(
  shape: readonly number[],
  strides: readonly number[],
  start: number,
  count: number,
  visit: (logical: number, stored: number) => void,
): void {
  const rank = shape.length;
  const index = new Array<number>(rank).fill(0);
  let rest = start;
  let stored = 0;
  for (let d = rank - 1; d >= 0; d--) {
    const size = shape[d] ?? 1;
    index[d] = rest % size;
    rest = Math.floor(rest / size);
    stored += (index[d] ?? 0) * (strides[d] ?? 0);
  }
  for (let i = 0; i < count; i++) {
    visit(start + i, stored);
    for (let d = rank - 1; d >= 0; d--) {
      const size = shape[d] ?? 1;
      const stride = strides[d] ?? 0;
      index[d] = (index[d] ?? 0) + 1;
      stored += stride;
      if ((index[d] ?? 0) < size) break;
      index[d] = 0;
      stored -= stride * size;
    }
  }
}

type Companion = keyof NonNullable<StoredTensor['companions']>;

async function companionValues(
  tensor: StoredTensor,
  name: Companion,
  expected: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const companion = tensor.companions?.[name];
  const size = companion ? elementCount(companion.shape) : 0;
  if (!companion || (expected !== undefined && size !== expected)) {
    throw new AppError(
      'quant/bad-companion',
      `dequantize: "${tensor.name}" (${tensor.type}) needs ${name} with ${expected ?? 'some'} values, found ${companion ? size : 'none'}; the file is incomplete.`,
      { details: { name: tensor.name, companion: name, expected, size } },
    );
  }
  return dequantizeTensor(companion, signal ? { signal } : {});
}

async function applyScales(tensor: StoredTensor, start: number, out: Float32Array, signal: AbortSignal | undefined) {
  if (tensor.type === 'NF4' || tensor.type === 'FP4') {
    const blockSize = tensor.params?.blockSize ?? 64;
    const absmax = await absmaxOf(tensor, signal);
    for (let i = 0; i < out.length; i++) {
      out[i] = (out[i] ?? 0) * (absmax[Math.floor((start + i) / blockSize)] ?? 0);
    }
    return;
  }
  const rows = tensor.shape[0] ?? 1;
  const rowElems = Math.max(1, elementCount(tensor.shape.slice(1)));
  if (tensor.type === 'LLM_INT8') {
    const scb = await companionValues(tensor, 'SCB', rows, signal);
    for (let i = 0; i < out.length; i++) {
      out[i] = Math.fround((out[i] ?? 0) * (scb[Math.floor((start + i) / rowElems)] ?? 0)) / 127;
    }
  } else if (tensor.companions?.scale) {
    const scale = await companionValues(tensor, 'scale', undefined, signal);
    if (scale.length !== 1 && scale.length !== rows) await companionValues(tensor, 'scale', rows, signal);
    const perRow = scale.length === 1 ? 0 : 1;
    for (let i = 0; i < out.length; i++) {
      out[i] = (out[i] ?? 0) * (scale[perRow * Math.floor((start + i) / rowElems)] ?? 0);
    }
  }
}

/**
 * Block scales of an NF4 or FP4 tensor, double quantisation undone.
 * @returns F32, one per `blockSize` weights of the flattened tensor
 * @throws AppError 'quant/bad-companion'
 */
export async function absmaxOf(tensor: StoredTensor, signal?: AbortSignal): Promise<Float32Array> {
  const blockCount = Math.ceil(elementCount(tensor.shape) / (tensor.params?.blockSize ?? 64));
  const absmax = await companionValues(tensor, 'absmax', blockCount, signal);
  if (!tensor.companions?.nested_absmax) return absmax;
  const nestedBlock = tensor.params?.nestedBlockSize ?? 256;
  const offset = Math.fround(tensor.params?.nestedOffset ?? 0);
  const map = await companionValues(tensor, 'nested_quant_map', 256, signal);
  const nested = await companionValues(tensor, 'nested_absmax', Math.ceil(blockCount / nestedBlock), signal);
  return absmax.map((code, i) => Math.fround((map[code] ?? 0) * (nested[Math.floor(i / nestedBlock)] ?? 0)) + offset);
}
