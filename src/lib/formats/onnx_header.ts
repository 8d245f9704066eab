/**
 * Initialisers of an ONNX model: names, types, shapes and where their bytes lie, inside the file or in external data.
 * The graph itself is onnxruntime's business. Field numbers: onnx/onnx.proto (Apache-2.0).
 */
import { memorySource, type ByteSource } from '../base/byte_source';
import { quantType, type QuantTypeId } from '../quant/registry';
import type { StoredTensor } from '../quant/tensor';
import { openNamedSibling, type FileSet } from './file_set';
import { fileError, quoted, refuseForbiddenName, utf8 } from './format_error';
import { ProtoReader, type ProtoField } from './protobuf';
import { checkedBytes, checkedShape } from './shape_check';
import type { MetadataValue, TensorIndex } from './tensor_index';

const MAX_INITIALIZERS = 50_000;
const MAX_FIELDS = 2_000_000;
const MAX_RANK = 8;
const MAX_TEXT_BYTES = 1024 * 1024;
/** Values kept as varints have no fixed width and are decoded into memory. */
const MAX_VARINT_VALUES = 1_000_000;

const MODEL = { irVersion: 1, producer: 2, graph: 7, metadata: 14 } as const;
const GRAPH = { node: 1, initializer: 5 } as const;
const TENSOR = {
  dims: 1,
  dataType: 2,
  floatData: 4,
  int32Data: 5,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;
const STRING_DATA_TYPE = 8n;
const EXTERNAL = 1n;

const DATA_TYPES: Readonly<Record<string, QuantTypeId>> = {
  1: 'F32',
  2: 'U8',
  3: 'I8',
  4: 'U16',
  5: 'I16',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  12: 'U32',
  13: 'U64',
  14: 'C64',
  16: 'BF16',
  17: 'F8_E4M3',
  18: 'F8_E4M3FNUZ',
  19: 'F8_E5M2',
  20: 'F8_E5M2FNUZ',
  21: 'U4',
  22: 'I4',
  24: 'F8_E8M0',
};

/**
 * Reads the initialisers of an ONNX model without loading it.
 * @throws AppError 'file/*': bad-protobuf, bad-dtype, bad-shape, shape-overflow, rank-too-large, size-mismatch,
 *   bad-offsets, out-of-bounds, path-traversal-name, missing-shard, duplicate-key, count-overflow
 */
export async function readOnnx(files: FileSet, signal?: AbortSignal): Promise<TensorIndex> {
  const { main } = files;
  const reader = new ProtoReader(main, signal);
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, MetadataValue>();
  let version: number | undefined;
  let graph: ProtoField | undefined;
  let fields = 0;
  for await (const field of reader.fields(0, main.sizeBytes)) {
    countField(main.name, ++fields);
    if (field.field === MODEL.irVersion && field.wire === 0) version = Number(field.value);
    if (field.field === MODEL.graph && field.wire === 2) graph = field;
    if (field.field === MODEL.producer && field.wire === 2) {
      metadata.set('producer_name', await text(reader, main.name, field));
    }
    if (field.field === MODEL.metadata && field.wire === 2) {
      const { key, value } = await keyValue(reader, main.name, field);
      metadata.set(key, value);
    }
  }
  if (version === undefined || !graph) throw reader.bad('no ONNX model: version or graph is missing', 0);
  for await (const field of reader.fields(graph.begin, graph.end)) {
    countField(main.name, ++fields);
    if (field.field !== GRAPH.initializer || field.wire !== 2) continue;
    const tensor = await readInitializer(files, reader, field);
    if (!tensor) continue;
    if (tensors.has(tensor.name)) {
      throw fileError('file/duplicate-key', main.name, `two initialisers are named ${quoted(tensor.name)}`);
    }
    tensors.set(tensor.name, tensor);
    if (tensors.size > MAX_INITIALIZERS) {
      throw fileError('file/count-overflow', main.name, `more than ${MAX_INITIALIZERS} initialisers`);
    }
  }
  return { format: 'onnx', name: main.name, tensors, metadata, container: { version } };
}

function countField(where: string, count: number): void {
  if (count > MAX_FIELDS) throw fileError('file/count-overflow', where, `more than ${MAX_FIELDS} fields`);
}

async function text(reader: ProtoReader, where: string, field: ProtoField): Promise<string> {
  if (field.end - field.begin > MAX_TEXT_BYTES) {
    throw fileError('file/string-length-overflow', where, `a text of ${field.end - field.begin} bytes`);
  }
  return utf8(where, 'a text', await reader.bytes(field.begin, field.end));
}

/** StringStringEntryProto: key = 1, value = 2. */
async function keyValue(reader: ProtoReader, where: string, entry: ProtoField) {
  const pair = { key: '', value: '' };
  for await (const field of reader.fields(entry.begin, entry.end)) {
    if (field.field === 1 && field.wire === 2) pair.key = await text(reader, where, field);
    if (field.field === 2 && field.wire === 2) pair.value = await text(reader, where, field);
  }
  return pair;
}

interface RawInitializer {
  name: string;
  dims: bigint[];
  dataType: bigint;
  external: Map<string, string>;
  isExternal: boolean;
  /** The field that holds the values, if any. */
  data: ProtoField | undefined;
}

async function readInitializer(
  files: FileSet,
  reader: ProtoReader,
  message: ProtoField,
): Promise<StoredTensor | undefined> {
  const raw = await readTensorProto(files.main, reader, message);
  const where = `${files.main.name}, initialiser ${quoted(raw.name)}`;
  refuseForbiddenName(files.main.name, raw.name);
  if (raw.dataType === STRING_DATA_TYPE) return undefined;
  const typeId = DATA_TYPES[String(raw.dataType)];
  if (!typeId) throw fileError('file/bad-dtype', where, `unknown data type ${raw.dataType}`);
  const type = quantType(typeId);
  if (raw.dims.some((d) => BigInt.asIntN(64, d) < 0n)) {
    throw fileError('file/bad-shape', where, 'a dimension is negative');
  }
  const { shape, elements } = checkedShape(where, raw.dims, MAX_RANK);
  const byteLength = checkedBytes(where, type, Math.ceil(elements / type.blockElems) * type.blockElems);
  const place = raw.isExternal
    ? await externalPlace(files, where, raw.external, byteLength)
    : await inlinePlace(files.main, reader, where, raw.data, byteLength, type.blockBytes);
  return { name: raw.name, type: typeId, shape, byteLength, ...place };
}

async function readTensorProto(main: ByteSource, reader: ProtoReader, message: ProtoField): Promise<RawInitializer> {
  const raw: RawInitializer = {
    name: '',
    dims: [],
    dataType: 0n,
    external: new Map(),
    isExternal: false,
    data: undefined,
  };
  for await (const field of reader.fields(message.begin, message.end)) {
    switch (field.field) {
      case TENSOR.dims:
        raw.dims.push(...(field.wire === 0 ? [field.value] : await varints(reader, field, 64)));
        if (raw.dims.length > MAX_RANK) {
          throw fileError('file/rank-too-large', main.name, `${raw.dims.length} dimensions, at most ${MAX_RANK}`);
        }
        break;
      case TENSOR.dataType:
        raw.dataType = field.value;
        break;
      case TENSOR.name:
        raw.name = await text(reader, main.name, field);
        break;
      case TENSOR.externalData: {
        const { key, value } = await keyValue(reader, main.name, field);
        raw.external.set(key, value);
        break;
      }
      case TENSOR.dataLocation:
        raw.isExternal = field.value === EXTERNAL;
        break;
      case TENSOR.rawData:
      case TENSOR.floatData:
      case TENSOR.doubleData:
      case TENSOR.int32Data:
      case TENSOR.int64Data:
      case TENSOR.uint64Data:
        raw.data = field;
        break;
      default:
        break;
    }
  }
  return raw;
}

async function varints(reader: ProtoReader, field: ProtoField, limit: number): Promise<bigint[]> {
  const values: bigint[] = [];
  for (let at = field.begin; at < field.end;) {
    if (values.length >= limit) throw reader.bad(`more than ${limit} numbers in a list`, at);
    const { value, end } = await reader.varint(at, field.end);
    values.push(value);
    at = end;
  }
  return values;
}

interface Place {
  readonly source: ByteSource;
  readonly byteOffset: number;
}

async function inlinePlace(
  main: ByteSource,
  reader: ProtoReader,
  where: string,
  data: ProtoField | undefined,
  byteLength: number,
  width: number,
): Promise<Place> {
  if (!data) {
    if (byteLength > 0) throw fileError('file/size-mismatch', where, 'the initialiser has no data');
    return { source: main, byteOffset: 0 };
  }
  const fixedWidth =
    data.field === TENSOR.rawData || data.field === TENSOR.floatData || data.field === TENSOR.doubleData;
  if (fixedWidth) {
    if (data.end - data.begin !== byteLength) {
      throw fileError(
        'file/size-mismatch',
        where,
        `${data.end - data.begin} bytes of data, the shape needs ${byteLength}`,
      );
    }
    return { source: main, byteOffset: data.begin };
  }
  const values = data.wire === 0 ? [data.value] : await varints(reader, data, MAX_VARINT_VALUES);
  if (values.length * width !== byteLength) {
    throw fileError('file/size-mismatch', where, `${values.length} values, the shape needs ${byteLength / width}`);
  }
  const bytes = new Uint8Array(byteLength);
  values.forEach((value, i) => {
    for (let b = 0; b < width; b++) bytes[i * width + b] = Number((value >> BigInt(8 * b)) & 255n);
  });
  return { source: memorySource(where, bytes), byteOffset: 0 };
}

async function externalPlace(
  files: FileSet,
  where: string,
  external: ReadonlyMap<string, string>,
  byteLength: number,
): Promise<Place> {
  const offset = decimal(where, 'offset', external.get('offset')) ?? 0n;
  const length = decimal(where, 'length', external.get('length'));
  const source = await openNamedSibling(files, external.get('location') ?? '');
  const end = offset + (length ?? BigInt(byteLength));
  if (end > BigInt(source.sizeBytes)) {
    throw fileError('file/out-of-bounds', where, `external data ends at byte ${end}, the file at ${source.sizeBytes}`);
  }
  if (length !== undefined && length !== BigInt(byteLength)) {
    throw fileError('file/size-mismatch', where, `external data of ${length} bytes, the shape needs ${byteLength}`);
  }
  return { source, byteOffset: Number(offset) };
}

function decimal(where: string, what: string, value: string | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,20}$/.test(value)) {
    throw fileError('file/bad-offsets', where, `${what} ${quoted(value)} is no non-negative decimal number`);
  }
  return BigInt(value);
}
