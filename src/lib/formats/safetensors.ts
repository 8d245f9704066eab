/**
 * safetensors reader: 8-byte header length, JSON header, data. Reads the header only.
 * Format: huggingface/safetensors README; limits stricter than the reference where a browser needs them.
 */
import type { ByteSource } from '../base/byte_source';
import { quantTypeOfSafetensors, type QuantType } from '../quant/registry';
import type { StoredTensor } from '../quant/tensor';
import { fileError, quoted, utf8 } from './format_error';
import { checkedBytes, checkedShape, checkLayout } from './shape_check';
import {
  isJsonArray,
  isJsonObject,
  jsonInteger,
  parseStrictJson,
  type JsonObject,
  type JsonValue,
} from './strict_json';
import type { MetadataValue, TensorIndex } from './tensor_index';

/** The reference allows 100 MB; the largest known header of a diffusion model is below 2 MiB. */
const MAX_HEADER_BYTES = 25 * 1024 * 1024;
const MAX_TENSORS = 50_000;
const MAX_RANK = 8;

/**
 * Reads the header of a safetensors file.
 * @throws AppError 'file/*': truncated-header, header-too-large, json-garbage, bad-utf8, deep-nesting, duplicate-key,
 *   forbidden-name, count-overflow, bad-metadata, bad-entry, bad-dtype, bad-shape, rank-too-large, shape-overflow,
 *   bad-offsets, size-mismatch, out-of-bounds, overlapping-ranges, gap, trailing-data
 */
export async function readSafetensors(source: ByteSource, signal?: AbortSignal): Promise<TensorIndex> {
  const where = source.name;
  if (source.sizeBytes < 8) {
    throw fileError('file/truncated-header', where, `the file has ${source.sizeBytes} bytes, a header length takes 8`);
  }
  const lengthBytes = await source.read(0, 8, signal);
  const length = new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 8).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw fileError('file/header-too-large', where, `header of ${length} bytes, at most ${MAX_HEADER_BYTES} are read`);
  }
  const headerBytes = Number(length);
  const dataStart = 8 + headerBytes;
  if (dataStart > source.sizeBytes) {
    throw fileError(
      'file/truncated-header',
      where,
      `header ends at byte ${dataStart}, the file at ${source.sizeBytes}`,
    );
  }
  const bytes = await source.read(8, headerBytes, signal);
  if (bytes[0] !== 0x7b) throw fileError('file/json-garbage', where, 'the header does not start with "{"');
  const header = parseStrictJson(utf8(where, 'the header', bytes), where);
  if (!isJsonObject(header)) throw fileError('file/json-garbage', where, 'the header is not an object');

  const metadata = readMetadata(where, header.get('__metadata__'));
  const entries = [...header].filter(([name]) => name !== '__metadata__');
  if (entries.length > MAX_TENSORS) {
    throw fileError('file/count-overflow', where, `${entries.length} tensors, at most ${MAX_TENSORS} are read`);
  }
  const dataBytes = source.sizeBytes - dataStart;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of entries) tensors.set(name, readEntry(source, name, entry, dataStart, dataBytes));
  const ranges = [...tensors.values()].map((t) => ({
    name: t.name,
    begin: t.byteOffset,
    end: t.byteOffset + t.byteLength,
  }));
  const end = checkLayout(where, ranges, dataStart, 1);
  if (end !== source.sizeBytes) {
    throw fileError(
      'file/trailing-data',
      where,
      `the last tensor ends at byte ${end}, the file at ${source.sizeBytes}`,
    );
  }
  return { format: 'safetensors', name: where, tensors, metadata, container: { dataStart, headerBytes } };
}

function readMetadata(where: string, value: JsonValue | undefined): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>();
  if (value === undefined) return metadata;
  if (!isJsonObject(value)) throw fileError('file/bad-metadata', where, '"__metadata__" is not an object');
  for (const [key, text] of value) {
    if (typeof text !== 'string') {
      throw fileError('file/bad-metadata', where, `metadata value of ${quoted(key)} is not a string`);
    }
    metadata.set(key, text);
  }
  return metadata;
}

function readEntry(
  source: ByteSource,
  name: string,
  entry: JsonValue,
  dataStart: number,
  dataBytes: number,
): StoredTensor {
  const where = `${source.name}, tensor ${quoted(name)}`;
  if (!isJsonObject(entry)) throw fileError('file/bad-entry', where, 'the entry is not an object');
  const type = readType(where, field(where, entry, 'dtype'));
  const { shape, elements } = readShape(where, field(where, entry, 'shape'));
  const byteLength = checkedBytes(where, type, elements);
  const [begin, end] = readOffsets(where, field(where, entry, 'data_offsets'), dataBytes);
  if (end - begin !== byteLength) {
    throw fileError(
      'file/size-mismatch',
      where,
      `${type.id} [${shape.join(', ')}] takes ${byteLength} bytes, its range has ${end - begin}`,
    );
  }
  return { name, type: type.id, shape, source, byteOffset: dataStart + begin, byteLength };
}

function field(where: string, entry: JsonObject, name: string): JsonValue {
  const value = entry.get(name);
  if (value === undefined) throw fileError('file/bad-entry', where, `the entry has no "${name}"`);
  return value;
}

function readType(where: string, value: JsonValue): QuantType {
  if (typeof value !== 'string') throw fileError('file/bad-dtype', where, 'dtype is not a string');
  const type = quantTypeOfSafetensors(value);
  if (!type) throw fileError('file/bad-dtype', where, `unknown dtype ${quoted(value)}`);
  return type;
}

function readShape(where: string, value: JsonValue) {
  if (!isJsonArray(value)) throw fileError('file/bad-shape', where, 'the shape is not a list');
  if (value.length > MAX_RANK) {
    throw fileError('file/rank-too-large', where, `${value.length} dimensions, at most ${MAX_RANK} are allowed`);
  }
  const dimensions = value.map((item) => {
    const dimension = jsonInteger(item);
    if (dimension === undefined) {
      throw fileError('file/bad-shape', where, 'a dimension is not a non-negative integer written in plain digits');
    }
    return dimension;
  });
  return checkedShape(where, dimensions, MAX_RANK);
}

function readOffsets(where: string, value: JsonValue, dataBytes: number): [number, number] {
  if (!isJsonArray(value) || value.length !== 2) {
    throw fileError('file/bad-offsets', where, 'data_offsets is not a list of two numbers');
  }
  const [begin, end] = value.map((item) => jsonInteger(item));
  if (begin === undefined || end === undefined) {
    throw fileError('file/bad-offsets', where, 'an offset is not a non-negative integer written in plain digits');
  }
  if (begin > end) throw fileError('file/bad-offsets', where, `the range ${begin}..${end} ends before it begins`);
  if (end > dataBytes) {
    throw fileError('file/out-of-bounds', where, `the range ends at data byte ${end}, the file has ${dataBytes}`);
  }
  return [Number(begin), Number(end)];
}
