/** A model split into several safetensors files with an index: `{ metadata: { total_size }, weight_map: { tensor: file } }`. */
import type { StoredTensor } from '../quant/tensor';
import { openNamedSibling, type FileSet } from './file_set';
import { fileError, quoted, refuseUnlessPlainFileName, utf8 } from './format_error';
import { readSafetensors } from './safetensors';
import { isJsonObject, jsonInteger, JsonNumber, parseStrictJson, type JsonObject } from './strict_json';
import type { MetadataValue, TensorIndex } from './tensor_index';

const MAX_INDEX_BYTES = 25 * 1024 * 1024;
const MAX_SHARDS = 1000;

/**
 * Reads an index and the headers of all its shards.
 * @returns tensors of the map in the order of the shards, each with its shard as source
 * @throws AppError 'file/*': header-too-large, json-garbage, bad-utf8, bad-entry, duplicate-key, forbidden-name,
 *   path-traversal-name, missing-shard, missing-tensor, size-mismatch, count-overflow, and those of `readSafetensors`
 */
export async function readSharded(files: FileSet, signal?: AbortSignal): Promise<TensorIndex> {
  const where = files.main.name;
  const { weightMap, totalSize } = await readIndex(files, signal);
  const shardNames = [...new Set(weightMap.values())];
  if (shardNames.length > MAX_SHARDS) {
    throw fileError('file/count-overflow', where, `${shardNames.length} shards, at most ${MAX_SHARDS} are read`);
  }
  for (const name of shardNames) refuseUnlessPlainFileName(where, name);

  const tensors = new Map<string, StoredTensor>();
  const shardOf = new Map<string, string>();
  let bytes = 0;
  for (const shardName of shardNames) {
    const shard = await readSafetensors(await openNamedSibling(files, shardName), signal);
    for (const tensor of shard.tensors.values()) {
      const other = shardOf.get(tensor.name);
      if (other !== undefined) {
        throw fileError(
          'file/duplicate-key',
          where,
          `tensor ${quoted(tensor.name)} is in ${other} and in ${shardName}`,
        );
      }
      shardOf.set(tensor.name, shardName);
      if (weightMap.get(tensor.name) !== shardName) continue;
      tensors.set(tensor.name, tensor);
      bytes += tensor.byteLength;
    }
  }
  for (const [name, shardName] of weightMap) {
    if (!tensors.has(name)) {
      throw fileError('file/missing-tensor', where, `tensor ${quoted(name)} is not in ${quoted(shardName)}`);
    }
  }
  const metadata = new Map<string, MetadataValue>();
  if (totalSize !== undefined) {
    if (totalSize !== BigInt(bytes)) {
      throw fileError(
        'file/size-mismatch',
        where,
        `the index says ${totalSize} bytes in all, the shards have ${bytes}`,
      );
    }
    metadata.set('total_size', bytes);
  }
  return { format: 'sharded', name: where, tensors, metadata };
}

async function readIndex(files: FileSet, signal: AbortSignal | undefined) {
  const where = files.main.name;
  if (files.main.sizeBytes > MAX_INDEX_BYTES) {
    throw fileError('file/header-too-large', where, `an index of ${files.main.sizeBytes} bytes`);
  }
  const bytes = await files.main.read(0, files.main.sizeBytes, signal);
  const index = parseStrictJson(utf8(where, 'the index', bytes), where);
  const map = isJsonObject(index) ? index.get('weight_map') : undefined;
  if (!isJsonObject(index) || !isJsonObject(map))
    throw fileError('file/bad-entry', where, 'the index has no weight_map');
  const weightMap = new Map<string, string>();
  for (const [name, file] of map) {
    if (typeof file !== 'string') {
      throw fileError('file/bad-entry', where, `the file of tensor ${quoted(name)} is no text`);
    }
    weightMap.set(name, file);
  }
  return { weightMap, totalSize: readTotalSize(where, index) };
}

function readTotalSize(where: string, index: JsonObject): bigint | undefined {
  const metadata = index.get('metadata');
  if (!isJsonObject(metadata)) return undefined;
  const value = metadata.get('total_size');
  if (value === undefined) return undefined;
  // Sums made in Python are floats now and then: 123.0.
  const size = jsonInteger(value instanceof JsonNumber ? new JsonNumber(value.text.replace(/\.0+$/, '')) : value);
  if (size === undefined) throw fileError('file/bad-entry', where, 'total_size is no integer');
  return size;
}

const NUMBERED = /^(.*)-(\d{5})-of-(\d{5})(\.[^.]+)$/;

/** The number of a shard and what it is one of, by the names that transformers and diffusers give; undefined for others. */
export function shardPlace(
  name: string,
): { readonly set: string; readonly index: number; readonly count: number } | undefined {
  const match = NUMBERED.exec(name);
  if (!match) return undefined;
  const [, stem = '', index, count, ending = ''] = match;
  return { set: `${stem}-of-${count}${ending}`, index: Number(index), count: Number(count) };
}

/**
 * Joins numbered shards whose index file is not there: their names say how many there are.
 * @throws AppError 'file/missing-shard', 'file/duplicate-key', 'file/count-overflow'
 */
export function joinShards(shards: readonly { readonly name: string; readonly index: TensorIndex }[]): TensorIndex {
  const [first] = shards;
  const place = first && shardPlace(first.name);
  if (!place) throw fileError('file/missing-shard', first?.name ?? 'shards', 'no numbered shard is there');
  if (place.count > MAX_SHARDS) throw fileError('file/count-overflow', first.name, `one of ${place.count} shards`);
  const found = new Set(shards.map(({ name }) => shardPlace(name)?.index));
  const missing = Array.from({ length: place.count }, (_, i) => i + 1).filter((index) => !found.has(index));
  if (missing.length > 0) {
    throw fileError(
      'file/missing-shard',
      first.name,
      `of ${place.count} parts, number ${missing.join(', ')} is not there`,
      {
        remedy: 'Choose all parts of the model together, best the whole folder.',
        details: { missing },
      },
    );
  }
  const tensors = new Map<string, StoredTensor>();
  for (const { name, index } of shards) {
    for (const tensor of index.tensors.values()) {
      if (tensors.has(tensor.name))
        throw fileError('file/duplicate-key', name, `tensor ${quoted(tensor.name)} is there twice`);
      tensors.set(tensor.name, tensor);
    }
  }
  return { ...first.index, format: 'sharded', name: place.set, tensors };
}
