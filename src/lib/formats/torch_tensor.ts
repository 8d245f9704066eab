/** Torch tensors found in a pickle: storages, views and the names they get from the objects around them. */
import type { ByteSource } from '../base/byte_source';
import { quantType, type QuantTypeId } from '../quant/registry';
import { elementCount, type StoredTensor } from '../quant/tensor';
import { fileError, quoted, refuseForbiddenName } from './format_error';
import {
  PickleCall,
  PickleDict,
  PickleGlobal,
  PickleList,
  PicklePersistent,
  PickleTuple,
  shown,
  type PickleValue,
} from './pickle_values';
import { checkedShape } from './shape_check';
import { TORCH_DTYPES, TORCH_STORAGES, UNTYPED_STORAGE } from './torch_types';
import type { MetadataValue } from './tensor_index';

const MAX_NODES = 200_000;
const MAX_DEPTH = 64;
const MAX_RANK = 8;
/** A view may repeat its storage (stride 0), but not endlessly. */
const MAX_EXPANSION = 64;
const EXPANSION_FREE_BYTES = 1024 * 1024;

/** A storage as the pickle names it. */
export interface StorageReference {
  readonly key: string;
  /** Absent for untyped storages, whose tensors bring their own type. */
  readonly type: QuantTypeId | undefined;
  /** Elements, or bytes when untyped. */
  readonly count: number;
  /** Element offset of a storage view in the format before torch 1.6. */
  readonly viewOffset: number;
}

/** Where the bytes of a storage lie. */
export interface StoragePlace {
  readonly source: ByteSource;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly byteOrder?: 'big';
}

/** Finds a storage by reference. @throws AppError 'file/missing-storage', 'file/out-of-bounds' */
export type FindStorage = (reference: StorageReference) => StoragePlace;

export interface PickleContents {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, MetadataValue>;
}

/**
 * Walks an unpickled object and collects tensors (named by their path, joined with dots) and plain values.
 * @throws AppError 'file/*': count-overflow, deep-nesting, duplicate-key, forbidden-name, no-tensors, bad-pickle,
 *   bad-shape, bad-stride, shape-overflow, rank-too-large, out-of-bounds, missing-storage
 */
export function collectTensors(root: PickleValue, where: string, findStorage: FindStorage): PickleContents {
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, MetadataValue>();
  let nodes = 0;

  function children(value: PickleList | PickleTuple | PickleDict): Iterable<[PickleValue, PickleValue]> {
    return value instanceof PickleDict ? value.entries : value.items.entries();
  }

  function visit(value: PickleValue, path: string, depth: number): void {
    if (++nodes > MAX_NODES) {
      throw fileError('file/count-overflow', where, `the pickle holds more than ${MAX_NODES} values`);
    }
    if (depth > MAX_DEPTH) throw fileError('file/deep-nesting', where, `values nested deeper than ${MAX_DEPTH}`);
    const call = value instanceof PickleCall ? value : undefined;
    // Other calls are sizes, and what trainers leave beside the weights.
    if (call?.callee.module === 'torch._utils') {
      refuseForbiddenName(where, path);
      if (tensors.has(path)) throw fileError('file/duplicate-key', where, `two tensors are named ${quoted(path)}`);
      tensors.set(path, readTensor(call, path, where, findStorage));
    } else if (value instanceof PickleDict || value instanceof PickleList || value instanceof PickleTuple) {
      for (const [key, child] of children(value)) {
        const name = typeof key === 'string' || typeof key === 'number' ? String(key) : undefined;
        // Keys of other types never name weights; the values below them are not looked at.
        if (name !== undefined) visit(child, path === '' ? name : `${path}.${name}`, depth + 1);
      }
    } else if (['string', 'number', 'boolean', 'bigint'].includes(typeof value)) {
      metadata.set(path, value as MetadataValue);
    }
  }

  visit(root, '', 0);
  if (tensors.size === 0) throw fileError('file/no-tensors', where, 'the file holds no tensors');
  return { tensors, metadata };
}

function readTensor(call: PickleCall, name: string, file: string, findStorage: FindStorage): StoredTensor {
  const where = `${file}, tensor ${quoted(name)}`;
  const [first] = call.args;
  if (call.callee.name.startsWith('_rebuild_parameter')) {
    if (!(first instanceof PickleCall) || !first.callee.name.startsWith('_rebuild_tensor')) {
      throw fileError('file/bad-pickle', where, 'a parameter is built from something that is no tensor');
    }
    return readTensor(first, name, file, findStorage);
  }
  const reference = readStorage(where, first);
  const offset = call.args[1];
  const shape = readShape(where, call.args[2]);
  const strides = readStrides(where, call.args[3], shape.length);
  const dtype = call.callee.name === '_rebuild_tensor_v3' ? call.args[6] : undefined;
  const type = dtype instanceof PickleGlobal ? TORCH_DTYPES.get(dtype.key) : reference.type;
  if (!type) throw fileError('file/bad-dtype', where, 'the tensor has no known element type');
  const width = quantType(type).blockBytes;
  if (typeof offset !== 'number' || offset < 0) {
    throw fileError('file/out-of-bounds', where, `starts at element ${shown(offset)} of its storage`);
  }
  const place = findStorage(reference);
  return view(where, name, type, width, offset + reference.viewOffset, shape, strides, place);
}

function view(
  where: string,
  name: string,
  type: QuantTypeId,
  width: number,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  place: StoragePlace,
): StoredTensor {
  const elements = elementCount(shape);
  const available = Math.floor(place.byteLength / width);
  const last = shape.reduce((sum, size, d) => sum + (size - 1) * (strides[d] ?? 0), offset);
  const extent = elements === 0 ? 0 : last - offset + 1;
  if (offset + extent > available) {
    throw fileError('file/out-of-bounds', where, `needs ${offset + extent} elements of a storage of ${available}`);
  }
  if (elements * width > EXPANSION_FREE_BYTES && elements > available * MAX_EXPANSION) {
    throw fileError('file/count-overflow', where, `${elements} elements from a storage of ${available}`);
  }
  const contiguous = isContiguous(shape, strides) || elements === 0;
  return {
    name,
    type,
    shape,
    source: place.source,
    byteOffset: place.byteOffset + (elements === 0 ? 0 : offset * width),
    byteLength: extent * width,
    ...(contiguous ? {} : { strides }),
    ...(place.byteOrder ? { byteOrder: place.byteOrder } : {}),
  };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    const size = shape[d] ?? 1;
    if (size !== 1 && strides[d] !== expected) return false;
    expected *= size;
  }
  return true;
}

function readStorage(where: string, value: PickleValue | undefined): StorageReference {
  const bad = (what: string) => fileError('file/bad-pickle', where, what);
  if (!(value instanceof PicklePersistent) || !(value.id instanceof PickleTuple)) {
    throw bad('the tensor has no storage reference');
  }
  const [tag, storageType, key, , count, viewMetadata] = value.id.items;
  if (tag !== 'storage' || !(storageType instanceof PickleGlobal)) throw bad('the storage reference is malformed');
  const name = typeof key === 'number' ? String(key) : key;
  if (typeof name !== 'string') throw bad('the storage has no key');
  if (typeof count !== 'number' || count < 0) throw bad(`a storage of ${shown(count)} elements`);
  const untyped = storageType.key === UNTYPED_STORAGE;
  const type = TORCH_STORAGES.get(storageType.key);
  if (!untyped && !type) throw bad(`${quoted(storageType.key)} is no storage`);
  const viewOffset = viewMetadata instanceof PickleTuple ? viewMetadata.items[1] : 0;
  if (typeof viewOffset !== 'number' || viewOffset < 0) throw bad('the storage view is malformed');
  return { key: name, type, count, viewOffset };
}

function integers(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  if (value instanceof PickleTuple || value instanceof PickleList) return value.items;
  if (value instanceof PickleCall && value.callee.name === 'Size') return integers(value.args[0]);
  return undefined;
}

function readShape(where: string, value: PickleValue | undefined): readonly number[] {
  const sizes = integers(value);
  if (!sizes) throw fileError('file/bad-shape', where, 'the size is no tuple');
  const dimensions = sizes.map((size) => {
    if ((typeof size !== 'number' && typeof size !== 'bigint') || !Number.isInteger(Number(size)) || size < 0) {
      throw fileError('file/bad-shape', where, 'a dimension is no non-negative integer');
    }
    return BigInt(size);
  });
  return checkedShape(where, dimensions, MAX_RANK).shape;
}

function readStrides(where: string, value: PickleValue | undefined, rank: number): readonly number[] {
  const strides = integers(value);
  if (strides?.length !== rank) throw fileError('file/bad-stride', where, `the strides do not fit ${rank} dimensions`);
  return strides.map((stride) => {
    if (typeof stride !== 'number' || !Number.isInteger(stride) || stride < 0) {
      throw fileError('file/bad-stride', where, 'a stride is no non-negative integer');
    }
    return stride;
  });
}
