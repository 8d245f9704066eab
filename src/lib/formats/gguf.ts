/**
 * GGUF reader, versions 2 and 3, little- and big-endian. Reads the header only.
 * Format: ggml docs/gguf.md (MIT); `comfy.gguf.orig_shape.*` as written by the ComfyUI-GGUF converter.
 */
import type { ByteSource } from '../base/byte_source';
import { quantTypeOfGgml } from '../quant/registry';
import { elementCount, type StoredTensor } from '../quant/tensor';
import { fileError, quoted, refuseForbiddenName } from './format_error';
import { GgufCursor, NeedMoreBytes } from './gguf_cursor';
import { checkedBytes, checkedShape, checkLayout } from './shape_check';
import type { MetadataValue, TensorIndex } from './tensor_index';

const MAGIC = 0x46554747;
const MAX_TENSORS = 100_000;
const MAX_KEYS = 100_000;
const MAX_KEY_BYTES = 65_535;
const MAX_NAME_BYTES = 1024;
const MAX_RANK = 4;
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 2 ** 20;
/** A vocabulary of 256 000 strings takes about 6 MB. */
const MAX_HEADER_BYTES = 128 * 1024 * 1024;
const FIRST_READ_BYTES = 256 * 1024;

const ORIG_SHAPE_PREFIX = 'comfy.gguf.orig_shape.';
const UINT32_TYPE = 4;

/**
 * Reads the header of a GGUF file. Shapes are in torch order with `comfy.gguf.orig_shape` applied.
 * @throws AppError 'file/*': truncated-header, bad-magic, unsupported-version, count-overflow, string-length-overflow,
 *   bad-utf8, bad-key, bad-kv-type, bad-bool, deep-nesting, duplicate-key, forbidden-name, bad-alignment,
 *   nan-alignment, rank-too-large, shape-overflow, bad-dtype, bad-shape, misaligned-offset, out-of-bounds,
 *   overlapping-ranges, gap, header-too-large
 */
export async function readGguf(source: ByteSource, signal?: AbortSignal): Promise<TensorIndex> {
  // The header's length is not written anywhere: parse what was read, and read more when it was not enough.
  let wanted = FIRST_READ_BYTES;
  for (;;) {
    const bytes = await source.read(0, Math.min(wanted, source.sizeBytes), signal);
    try {
      return parseHeader(source, bytes);
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (error.end > MAX_HEADER_BYTES) {
        throw fileError('file/header-too-large', source.name, `the header has more than ${MAX_HEADER_BYTES} bytes`);
      }
      wanted = Math.max(error.end, wanted * 4);
    }
  }
}

function parseHeader(source: ByteSource, bytes: Uint8Array<ArrayBuffer>): TensorIndex {
  const where = source.name;
  const cursor = new GgufCursor(where, bytes, source.sizeBytes);
  if (cursor.u32('the magic number') !== MAGIC) {
    throw fileError('file/bad-magic', where, 'the file does not start with "GGUF"');
  }
  const version = readVersion(where, cursor);
  const tensorCount = readCount(where, cursor, 'tensors', MAX_TENSORS);
  const keyCount = readCount(where, cursor, 'keys', MAX_KEYS);

  const metadata = new Map<string, MetadataValue>();
  let alignment = DEFAULT_ALIGNMENT;
  for (let i = 0; i < keyCount; i++) {
    const key = readKey(where, cursor, metadata);
    const type = cursor.u32('a value type');
    const value = cursor.value(key, type);
    if (key === 'general.alignment') alignment = checkAlignment(where, type, value);
    metadata.set(key, value);
  }

  const infos = new Map<string, TensorInfo>();
  for (let i = 0; i < tensorCount; i++) {
    const info = readTensorInfo(where, cursor, alignment);
    if (infos.has(info.name)) {
      throw fileError('file/duplicate-key', where, `two tensors are named ${quoted(info.name)}`);
    }
    infos.set(info.name, info);
  }

  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = new Map<string, StoredTensor>();
  for (const info of infos.values()) tensors.set(info.name, place(source, info, dataStart, cursor, metadata));
  const ranges = [...tensors.values()].map((t) => ({
    name: t.name,
    begin: t.byteOffset,
    end: t.byteOffset + t.byteLength,
  }));
  checkLayout(where, ranges, dataStart, alignment);
  return {
    format: 'gguf',
    name: where,
    tensors,
    metadata,
    container: {
      version,
      byteOrder: cursor.littleEndian ? 'little' : 'big',
      alignment,
      dataStart,
      headerBytes: cursor.position,
    },
  };
}

/** Version 3 alone may be big-endian; its version field then reads as 3 only when swapped. */
function readVersion(where: string, cursor: GgufCursor): number {
  const version = cursor.u32('the version');
  if (version === 2 || version === 3) return version;
  if (version === 0x03000000) {
    cursor.littleEndian = false;
    return 3;
  }
  throw fileError('file/unsupported-version', where, `GGUF version ${version}, versions 2 and 3 are read`, {
    remedy: 'Convert the file with a current program.',
  });
}

function readCount(where: string, cursor: GgufCursor, what: string, limit: number): number {
  const count = cursor.u64(`the number of ${what}`);
  if (count > limit) throw fileError('file/count-overflow', where, `${count} ${what}, at most ${limit} are read`);
  return Number(count);
}

function readKey(where: string, cursor: GgufCursor, metadata: ReadonlyMap<string, MetadataValue>): string {
  const key = cursor.string('a key', MAX_KEY_BYTES);
  if (key === '') throw fileError('file/bad-key', where, 'a key is empty');
  refuseForbiddenName(where, key);
  if (metadata.has(key)) throw fileError('file/duplicate-key', where, `the key ${quoted(key)} appears twice`);
  return key;
}

function checkAlignment(where: string, type: number, value: MetadataValue): number {
  if (typeof value === 'number' && Number.isNaN(value)) {
    throw fileError('file/nan-alignment', where, 'general.alignment is not a number');
  }
  const powerOfTwo =
    typeof value === 'number' && value > 0 && value <= MAX_ALIGNMENT && Number.isInteger(Math.log2(value));
  if (type !== UINT32_TYPE || !powerOfTwo) {
    throw fileError('file/bad-alignment', where, `general.alignment must be a u32 power of two up to ${MAX_ALIGNMENT}`);
  }
  return value;
}

interface TensorInfo {
  readonly name: string;
  readonly type: NonNullable<ReturnType<typeof quantTypeOfGgml>>;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** From the start of the data. */
  readonly offset: bigint;
}

function readTensorInfo(file: string, cursor: GgufCursor, alignment: number): TensorInfo {
  const name = cursor.string('a tensor name', MAX_NAME_BYTES);
  refuseForbiddenName(file, name);
  const where = `${file}, tensor ${quoted(name)}`;
  const rank = cursor.u32('the number of dimensions');
  if (rank > MAX_RANK) {
    throw fileError('file/rank-too-large', where, `${rank} dimensions, at most ${MAX_RANK} are allowed`);
  }
  const dimensions = Array.from({ length: rank }, () => cursor.u64('a dimension'));
  const number = cursor.u32('the tensor type');
  const offset = cursor.u64('the tensor offset');
  const { shape, elements } = checkedShape(where, dimensions.reverse(), MAX_RANK);
  const type = quantTypeOfGgml(number);
  if (!type) throw fileError('file/bad-dtype', where, `tensor type ${number} is not known`);
  const rowElems = shape.at(-1) ?? 1;
  if (rowElems % type.blockElems !== 0) {
    throw fileError(
      'file/bad-shape',
      where,
      `shape [${shape.join(', ')}]: rows of ${rowElems} are no multiple of the ${type.id} block of ${type.blockElems}`,
      { details: { tensor: name, shape, type: type.id, blockElems: type.blockElems } },
    );
  }
  const byteLength = checkedBytes(where, type, elements);
  if (offset % BigInt(alignment) !== 0n) {
    throw fileError('file/misaligned-offset', where, `offset ${offset} is no multiple of the alignment ${alignment}`);
  }
  return { name, type, shape, byteLength, offset };
}

function place(
  source: ByteSource,
  info: TensorInfo,
  dataStart: number,
  cursor: GgufCursor,
  metadata: ReadonlyMap<string, MetadataValue>,
): StoredTensor {
  const where = `${source.name}, tensor ${quoted(info.name)}`;
  if (BigInt(dataStart) + info.offset + BigInt(info.byteLength) > BigInt(source.sizeBytes)) {
    throw fileError(
      'file/out-of-bounds',
      where,
      `ends at byte ${BigInt(dataStart) + info.offset + BigInt(info.byteLength)}, the file at ${source.sizeBytes}`,
    );
  }
  const original = metadata.get(ORIG_SHAPE_PREFIX + info.name);
  return {
    name: info.name,
    type: info.type.id,
    shape: original === undefined ? info.shape : originalShape(where, original, elementCount(info.shape)),
    source,
    byteOffset: dataStart + Number(info.offset),
    byteLength: info.byteLength,
    ...(cursor.littleEndian ? {} : { byteOrder: 'big' }),
  };
}

function originalShape(where: string, value: MetadataValue, elements: number): readonly number[] {
  const items = Array.isArray(value) ? (value as readonly MetadataValue[]) : [];
  const shape = items.map((item) => (typeof item === 'number' || typeof item === 'bigint' ? Number(item) : NaN));
  const valid = shape.length > 0 && shape.length <= 8 && shape.every((d) => Number.isSafeInteger(d) && d >= 0);
  if (!valid || elementCount(shape) !== elements) {
    throw fileError(
      'file/bad-shape',
      where,
      `the recorded original shape [${shape.join(', ')}] has not ${elements} elements`,
    );
  }
  return shape;
}
