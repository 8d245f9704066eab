/**
 * PyTorch checkpoints: the zip container of torch 1.6 and later, and the format before it. Nothing is executed.
 *
 *   zip     NAME/data.pkl, NAME/data/KEY (one stored entry per storage), NAME/byteorder
 *   before  5 pickles (magic number, protocol 1001, system facts, object, storage keys), then per key a u64 count of
 *           elements and the raw storage
 *
 * Source of the layout: torch/serialization.py (BSD-3).
 */
import type { ByteSource } from '../base/byte_source';
import { quantType } from '../quant/registry';
import { fileError, quoted } from './format_error';
import { PickleEnds } from './pickle_machine';
import { readPickle } from './pickle_reader';
import { PickleDict, PickleList, shown, type PickleValue } from './pickle_values';
import { collectTensors, type FindStorage, type StoragePlace, type StorageReference } from './torch_tensor';
import type { TensorIndex } from './tensor_index';
import { entrySource, readZipDirectory, verifyEntry, type ZipEntry } from './zip';

/** The pickle of a checkpoint with 2000 tensors has about 300 KB. */
const MAX_PICKLE_BYTES = 32 * 1024 * 1024;
const FIRST_READ_BYTES = 256 * 1024;
/** Checksums are verified up to this many bytes; beyond it opening a checkpoint would mean reading all of it. */
const VERIFIED_BYTES = 32 * 1024 * 1024;

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

/**
 * Reads a torch checkpoint (.pt, .pth, .ckpt, .bin).
 * @throws AppError 'file/*': bad-magic, unsafe-pickle, bad-pickle, bad-zip, and what `readZipDirectory`, `readPickle`
 *   and `collectTensors` throw
 */
export async function readTorchPickle(source: ByteSource, signal?: AbortSignal): Promise<TensorIndex> {
  const start = await source.read(0, Math.min(4, source.sizeBytes), signal);
  if (start[0] === 0x50 && start[1] === 0x4b) return readTorchZip(source, signal);
  if (start[0] === 0x80) return readLegacy(source, signal);
  throw fileError('file/bad-magic', source.name, 'neither a zip archive nor a pickle');
}

async function readTorchZip(source: ByteSource, signal: AbortSignal | undefined): Promise<TensorIndex> {
  const where = source.name;
  const entries = await readZipDirectory(source, signal);
  const pickles = [...entries.keys()].filter((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  const [pickleName] = pickles;
  if (pickleName === undefined || pickles.length > 1) {
    throw fileError('file/bad-zip', where, `${pickles.length} entries named data.pkl, a checkpoint has one`);
  }
  const root = pickleName.slice(0, -'data.pkl'.length);
  const pickleEntry = entries.get(pickleName);
  if (!pickleEntry || pickleEntry.sizeBytes > MAX_PICKLE_BYTES) {
    throw fileError('file/header-too-large', where, `a pickle of more than ${MAX_PICKLE_BYTES} bytes`);
  }
  await verifyEntry(source, pickleEntry, signal);
  const bytes = await entrySource(source, pickleEntry).read(0, pickleEntry.sizeBytes, signal);
  const value = readWholePickle(bytes, where);
  const byteOrder = await readByteOrder(source, entries.get(`${root}byteorder`), signal);
  const used = new Map<string, ZipEntry>();
  const places = new Map<string, ByteSource>();

  const findStorage: FindStorage = (reference) => {
    refuseEscapingKey(where, reference.key);
    const entry = entries.get(`${root}data/${reference.key}`);
    if (!entry)
      throw fileError('file/missing-storage', where, `storage ${quoted(reference.key)} is not in the archive`);
    used.set(entry.name, entry);
    const data = places.get(entry.name) ?? entrySource(source, entry);
    places.set(entry.name, data);
    // A stored entry is a window on the archive itself, so that readers see one file and its offsets.
    const { method, dataOffset } = entry;
    const place = method === 0 && dataOffset !== undefined ? { source, byteOffset: dataOffset } : whole(data);
    const byteLength = checkStorageSize(where, reference, entry.sizeBytes);
    return { ...place, byteLength, ...(byteOrder ? { byteOrder } : {}) };
  };
  const { tensors, metadata } = collectTensors(value, where, findStorage);
  // Of a distant file the pickle alone is read; its data is checked once it is here.
  let budget = source.distant ? 0 : VERIFIED_BYTES;
  for (const entry of used.values()) {
    if (entry.sizeBytes > budget) continue;
    budget -= entry.sizeBytes;
    await verifyEntry(source, entry, signal);
  }
  return { format: 'pickle', name: where, tensors, metadata, container: { headerBytes: bytes.length } };
}

const whole = (source: ByteSource) => ({ source, byteOffset: 0 });

async function readByteOrder(source: ByteSource, entry: ZipEntry | undefined, signal: AbortSignal | undefined) {
  if (!entry) return undefined;
  const text = new TextDecoder().decode(
    await entrySource(source, entry).read(0, Math.min(16, entry.sizeBytes), signal),
  );
  if (text === 'little') return undefined;
  if (text === 'big') return 'big' as const;
  throw fileError('file/bad-zip', source.name, `unknown byte order ${quoted(text)}`);
}

function refuseEscapingKey(where: string, key: string): void {
  if (/[/\\:\0]/.test(key) || key.includes('..')) {
    throw fileError('file/path-traversal-name', where, `the storage key ${quoted(key)} leaves its folder`);
  }
}

/** Bytes of a storage, not more than the file has. */
function checkStorageSize(where: string, reference: StorageReference, availableBytes: number): number {
  const width = reference.type ? quantType(reference.type).blockBytes : 1;
  const bytes = reference.count * width;
  if (bytes > availableBytes) {
    throw fileError(
      'file/out-of-bounds',
      where,
      `storage ${quoted(reference.key)} has ${bytes} bytes, the file ${availableBytes}`,
    );
  }
  return bytes;
}

function readWholePickle(bytes: Uint8Array, where: string): PickleValue {
  try {
    return readPickle(bytes, 0, where).value;
  } catch (error) {
    if (error instanceof PickleEnds) throw fileError('file/bad-pickle', where, 'the pickle ends without STOP');
    throw error;
  }
}

async function readLegacy(source: ByteSource, signal: AbortSignal | undefined): Promise<TensorIndex> {
  // The pickles' lengths are not written anywhere: read more until they parse.
  for (let wanted = FIRST_READ_BYTES; ; wanted *= 4) {
    const length = Math.min(wanted, source.sizeBytes);
    const bytes = await source.read(0, length, signal);
    try {
      const { object, keys, end } = readLegacyPickles(bytes, source);
      return await readLegacyStorages(source, object, keys, end, signal);
    } catch (error) {
      if (!(error instanceof PickleEnds)) throw error;
      if (length === source.sizeBytes) throw fileError('file/bad-pickle', source.name, 'a pickle ends without STOP');
      if (length >= MAX_PICKLE_BYTES) {
        throw fileError('file/header-too-large', source.name, `pickles of more than ${MAX_PICKLE_BYTES} bytes`);
      }
    }
  }
}

function readLegacyPickles(bytes: Uint8Array, source: ByteSource) {
  const where = source.name;
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = readPickle(bytes, at, where, source.sizeBytes);
    at = end;
    return value;
  };
  if (next() !== LEGACY_MAGIC) throw fileError('file/bad-magic', where, 'a pickle, but not a torch checkpoint');
  const protocol = next();
  if (protocol !== LEGACY_PROTOCOL) {
    throw fileError('file/unsupported-version', where, `torch format ${shown(protocol)}, ${LEGACY_PROTOCOL} is read`);
  }
  const facts = next();
  const little = facts instanceof PickleDict ? facts.entries.get('little_endian') : undefined;
  if (little === false) throw fileError('file/unsupported-version', where, 'a big-endian checkpoint of the old format');
  const object = next();
  const keys = next();
  if (!(keys instanceof PickleList)) throw fileError('file/bad-pickle', where, 'the storage keys are no list');
  return { object, keys: keys.items.map(shown), end: at };
}

async function readLegacyStorages(
  source: ByteSource,
  object: PickleValue,
  keys: readonly string[],
  dataStart: number,
  signal: AbortSignal | undefined,
): Promise<TensorIndex> {
  const where = source.name;
  // The element types are known only from the references, so a first walk collects them.
  const references = new Map<string, StorageReference>();
  collectTensors(object, where, (reference) => {
    references.set(reference.key, reference);
    return { source, byteOffset: 0, byteLength: Number.MAX_SAFE_INTEGER };
  });
  const places = new Map<string, StoragePlace>();
  let at = dataStart;
  for (const key of keys) {
    const reference = references.get(key);
    if (!reference?.type) throw fileError('file/bad-pickle', where, `storage ${quoted(key)} belongs to no tensor`);
    if (at + 8 > source.sizeBytes) throw fileError('file/out-of-bounds', where, `storage ${quoted(key)} is missing`);
    const countBytes = await source.read(at, 8, signal);
    const count = new DataView(countBytes.buffer, countBytes.byteOffset, 8).getBigUint64(0, true);
    const bytes = Number(count) * quantType(reference.type).blockBytes;
    at += 8;
    if (count > 2n ** 53n || at + bytes > source.sizeBytes) {
      throw fileError('file/out-of-bounds', where, `storage ${quoted(key)} of ${count} elements leaves the file`);
    }
    places.set(key, { source, byteOffset: at, byteLength: bytes });
    at += bytes;
  }
  const { tensors, metadata } = collectTensors(object, where, (reference) => {
    const place = places.get(reference.key);
    if (!place) throw fileError('file/missing-storage', where, `storage ${quoted(reference.key)} is not in the file`);
    return place;
  });
  return { format: 'pickle', name: where, tensors, metadata, container: { headerBytes: dataStart, dataStart } };
}
