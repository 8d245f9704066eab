/**
 * Bounded zip reader for torch archives: central directory, zip64, stored and deflated entries. Reads ranges only.
 * Format: PKWARE APPNOTE 6.3. Knows nothing of what is inside.
 *
 *   local header  PK\3\4 | 26: name length, 28: extra length | name | extra | data
 *   directory     PK\1\2 | 8: flags, 10: method, 16: crc, 20: packed, 24: size, 28: name, 30: extra, 32: comment, 42: offset
 *   end           PK\5\6 | 10: entries, 12: directory bytes, 16: directory offset, 20: comment length
 */
import { Inflate } from 'fflate';
import type { ByteSource } from '../base/byte_source';
import { assertRange } from '../base/byte_source';
import { fileError, quoted, utf8 } from './format_error';
import { crc32 } from './crc32';

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const MAX_ENTRIES = 100_000;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
/** Deflate cannot exceed 1032:1; weights do not compress beyond a few to one. */
const MAX_RATIO = 100;
const RATIO_FREE_BYTES = 1024 * 1024;
/** Deflated entries are held in memory whole; torch writes stored ones, so this serves small or odd files. */
const MAX_INFLATED_BYTES = 256 * 1024 * 1024;
/** Input given to the inflater at a time: bounds what one call can put out to about 4 MB. */
const INFLATE_STEP_BYTES = 4096;

export interface ZipEntry {
  readonly name: string;
  readonly method: 0 | 8;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  /** First byte of the entry's local header in the archive. */
  readonly localOffset: number;
  readonly nameBytes: Uint8Array;
  /** First byte of the entry's data; absent in distant archives, whose local headers are read with the data. */
  readonly dataOffset?: number;
}

/**
 * Reads the directory of a zip archive and checks every entry against its local header. Of a distant archive the
 * directory alone is read: a request for each of a checkpoint's thousand tensors would cost more than its header.
 * @param maxInflatedBytes largest deflated entry; the default is what `entrySource` holds in memory
 * @returns entries by name, folders left out
 * @throws AppError 'file/*': truncated-header, bad-zip, out-of-bounds, count-overflow, duplicate-key,
 *   path-traversal-name, zip-bomb, bad-utf8
 */
export async function readZipDirectory(
  source: ByteSource,
  signal?: AbortSignal,
  maxInflatedBytes = MAX_INFLATED_BYTES,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const where = source.name;
  const end = await findEnd(source, signal);
  if (end.entries > MAX_ENTRIES) {
    throw fileError('file/count-overflow', where, `${end.entries} zip entries, at most ${MAX_ENTRIES} are read`);
  }
  if (end.directoryOffset + end.directoryBytes > end.at) {
    throw fileError('file/out-of-bounds', where, 'the zip directory lies outside the file');
  }
  if (end.entries * 46 > end.directoryBytes) {
    throw fileError(
      'file/count-overflow',
      where,
      `${end.entries} zip entries are announced, the directory of ${end.directoryBytes} bytes cannot hold them`,
    );
  }
  if (end.directoryBytes > MAX_DIRECTORY_BYTES) {
    throw fileError('file/header-too-large', where, `zip directory of ${end.directoryBytes} bytes`);
  }
  const bytes = await source.read(end.directoryOffset, end.directoryBytes, signal);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < end.entries; i++) {
    const { raw, next } = readDirectoryEntry(where, bytes, at);
    at = next;
    if (entries.has(raw.name))
      throw fileError('file/duplicate-key', where, `two zip entries named ${quoted(raw.name)}`);
    const dataOffset = source.distant ? undefined : await dataOffsetOf(source, raw, signal);
    checkSizes(source, raw, dataOffset ?? leastDataOffset(raw), maxInflatedBytes);
    if (!raw.name.endsWith('/')) entries.set(raw.name, dataOffset === undefined ? raw : { ...raw, dataOffset });
  }
  return entries;
}

/** Data of an entry as a source: a window on a stored entry, bytes in memory for a deflated one (inflated on first use). */
export function entrySource(archive: ByteSource, entry: ZipEntry): ByteSource {
  const name = `${archive.name}:${entry.name}`;
  let inflated: Promise<Uint8Array<ArrayBuffer>> | undefined;
  const source: ByteSource = {
    name,
    sizeBytes: entry.sizeBytes,
    async read(offset, length, signal) {
      assertRange(source, offset, length);
      if (entry.method === 0) {
        return archive.read((await dataStart(archive, entry, signal)) + offset, length, signal);
      }
      inflated ??= inflateEntry(archive, entry, signal);
      return (await inflated).subarray(offset, offset + length);
    },
  };
  return source;
}

/** First byte of an entry's data, wherever the archive lies. @throws AppError 'file/out-of-bounds', 'file/bad-zip' */
export async function dataStart(archive: ByteSource, entry: ZipEntry, signal?: AbortSignal): Promise<number> {
  return entry.dataOffset ?? dataOffsetOf(archive, entry, signal);
}

/** Compares the checksum of an entry. @throws AppError 'file/bad-crc' */
export async function verifyEntry(archive: ByteSource, entry: ZipEntry, signal?: AbortSignal): Promise<void> {
  const data = entrySource(archive, entry);
  const step = 4 * 1024 * 1024;
  let crc = 0;
  for (let at = 0; at < entry.sizeBytes; at += step) {
    crc = crc32(await data.read(at, Math.min(step, entry.sizeBytes - at), signal), crc);
  }
  if (crc !== entry.crc) {
    throw fileError(
      'file/bad-crc',
      data.name,
      `checksum ${crc.toString(16)}, the archive says ${entry.crc.toString(16)}`,
    );
  }
}

interface End {
  readonly at: number;
  readonly entries: number;
  readonly directoryBytes: number;
  readonly directoryOffset: number;
}

async function findEnd(source: ByteSource, signal: AbortSignal | undefined): Promise<End> {
  const where = source.name;
  const tailBytes = Math.min(source.sizeBytes, END_BYTES + MAX_COMMENT_BYTES);
  const tailStart = source.sizeBytes - tailBytes;
  const tail = await source.read(tailStart, tailBytes, signal);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  for (let i = tailBytes - END_BYTES; i >= 0; i--) {
    if (view.getUint32(i, true) !== 0x06054b50 || i + END_BYTES + view.getUint16(i + 20, true) !== tailBytes) continue;
    const entries = view.getUint16(i + 10, true);
    const directoryBytes = view.getUint32(i + 12, true);
    const directoryOffset = view.getUint32(i + 16, true);
    const end = { at: tailStart + i, entries, directoryBytes, directoryOffset };
    const zip64 = entries === 0xffff || directoryBytes === 0xffffffff || directoryOffset === 0xffffffff;
    return zip64 ? readZip64End(source, end, signal) : end;
  }
  throw fileError('file/truncated-header', where, 'the end of the zip archive is missing');
}

async function readZip64End(source: ByteSource, end: End, signal: AbortSignal | undefined): Promise<End> {
  const bad = (what: string) => fileError('file/bad-zip', source.name, what);
  if (end.at < 20) return end;
  const locator = await source.read(end.at - 20, 20, signal);
  const locatorView = new DataView(locator.buffer, locator.byteOffset, 20);
  if (locatorView.getUint32(0, true) !== 0x07064b50) return end;
  const offset = Number(locatorView.getBigUint64(8, true));
  if (offset + 56 > end.at) throw bad('the zip64 end lies outside the file');
  const record = await source.read(offset, 56, signal);
  const view = new DataView(record.buffer, record.byteOffset, 56);
  if (view.getUint32(0, true) !== 0x06064b50) throw bad('the zip64 end has a wrong signature');
  return {
    at: offset,
    entries: Number(view.getBigUint64(32, true)),
    directoryBytes: Number(view.getBigUint64(40, true)),
    directoryOffset: Number(view.getBigUint64(48, true)),
  };
}

function readDirectoryEntry(where: string, bytes: Uint8Array<ArrayBuffer>, at: number) {
  const bad = (what: string) => fileError('file/bad-zip', where, what);
  if (at + 46 > bytes.length) throw bad('the zip directory ends inside an entry');
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 46);
  if (view.getUint32(0, true) !== 0x02014b50) throw bad('a zip directory entry has a wrong signature');
  const nameLength = view.getUint16(28, true);
  const extraLength = view.getUint16(30, true);
  const next = at + 46 + nameLength + extraLength + view.getUint16(32, true);
  if (next > bytes.length) throw bad('the zip directory ends inside an entry');
  const nameBytes = bytes.subarray(at + 46, at + 46 + nameLength);
  const name = utf8(where, 'a zip entry name', nameBytes);
  refuseEscapingName(where, name);
  const method = view.getUint16(10, true);
  if (view.getUint16(8, true) & 1) throw bad(`entry ${quoted(name)} is encrypted`);
  if (method !== 0 && method !== 8) throw bad(`entry ${quoted(name)} uses the unknown compression method ${method}`);
  const sizes = { size: view.getUint32(24, true), packed: view.getUint32(20, true), offset: view.getUint32(42, true) };
  readZip64Extra(bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength), sizes);
  const raw: ZipEntry = {
    name,
    nameBytes,
    method,
    crc: view.getUint32(16, true),
    packedBytes: sizes.packed,
    sizeBytes: sizes.size,
    localOffset: sizes.offset,
  };
  return { raw, next };
}

/** Extra field 1 holds, in order, those of size, packed size and offset whose 32-bit fields are all ones. */
function readZip64Extra(extra: Uint8Array, sizes: { size: number; packed: number; offset: number }): void {
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > extra.length) return;
    if (view.getUint16(at, true) === 1) {
      let from = at + 4;
      for (const key of ['size', 'packed', 'offset'] as const) {
        if (sizes[key] !== 0xffffffff || from + 8 > end) continue;
        sizes[key] = Number(view.getBigUint64(from, true));
        from += 8;
      }
      return;
    }
    at = end;
  }
}

function refuseEscapingName(where: string, name: string): void {
  const escapes = name.startsWith('/') || /[\\:\0]/.test(name) || name.split('/').includes('..');
  if (escapes) throw fileError('file/path-traversal-name', where, `the zip entry ${quoted(name)} leaves its folder`);
}

const LOCAL_HEADER_BYTES = 30;

/** The local header may carry more extra fields than the directory knows of. */
function leastDataOffset({ localOffset, nameBytes }: ZipEntry): number {
  return localOffset + LOCAL_HEADER_BYTES + nameBytes.length;
}

/** Where the data of an entry begins, by its local header. @throws AppError 'file/out-of-bounds', 'file/bad-zip' */
async function dataOffsetOf(source: ByteSource, entry: ZipEntry, signal: AbortSignal | undefined): Promise<number> {
  const where = `${source.name}:${entry.name}`;
  const { localOffset, nameBytes } = entry;
  if (leastDataOffset(entry) > source.sizeBytes) {
    throw fileError('file/out-of-bounds', where, `the entry starts at byte ${localOffset}, outside the file`);
  }
  const header = await source.read(localOffset, LOCAL_HEADER_BYTES + nameBytes.length, signal);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const sameName =
    view.getUint16(26, true) === nameBytes.length &&
    nameBytes.every((byte, i) => byte === header[LOCAL_HEADER_BYTES + i]);
  if (view.getUint32(0, true) !== 0x04034b50 || !sameName || view.getUint16(8, true) !== entry.method) {
    throw fileError('file/bad-zip', where, 'the local header does not agree with the directory');
  }
  return leastDataOffset(entry) + view.getUint16(28, true);
}

function checkSizes(source: ByteSource, entry: ZipEntry, dataOffset: number, maxInflatedBytes: number): void {
  const where = `${source.name}:${entry.name}`;
  const { method, packedBytes, sizeBytes } = entry;
  if (dataOffset + packedBytes > source.sizeBytes) {
    throw fileError('file/out-of-bounds', where, `the entry's ${packedBytes} bytes leave the file`);
  }
  if (method === 0 && packedBytes !== sizeBytes) {
    throw fileError('file/bad-zip', where, 'a stored entry has two sizes');
  }
  if (method === 8) refuseBomb(where, packedBytes, sizeBytes, maxInflatedBytes);
}

function refuseBomb(where: string, packedBytes: number, sizeBytes: number, maxInflatedBytes: number): void {
  if (sizeBytes > RATIO_FREE_BYTES && sizeBytes > packedBytes * MAX_RATIO) {
    throw fileError('file/zip-bomb', where, `${packedBytes} bytes inflate to ${sizeBytes}, more than ${MAX_RATIO}:1`);
  }
  if (sizeBytes > maxInflatedBytes) {
    throw fileError('file/zip-bomb', where, `inflates to ${sizeBytes} bytes, at most ${maxInflatedBytes} are read`);
  }
}

async function inflateEntry(archive: ByteSource, entry: ZipEntry, signal: AbortSignal | undefined) {
  const where = `${archive.name}:${entry.name}`;
  const packed = await archive.read(await dataStart(archive, entry, signal), entry.packedBytes, signal);
  const out = new Uint8Array(entry.sizeBytes);
  let filled = 0;
  const inflater = new Inflate((chunk) => {
    if (filled + chunk.length > out.length) {
      throw fileError('file/zip-bomb', where, `inflates to more than the ${out.length} bytes the archive says`);
    }
    out.set(chunk, filled);
    filled += chunk.length;
  });
  try {
    for (let at = 0; at < packed.length; at += INFLATE_STEP_BYTES) {
      const end = Math.min(at + INFLATE_STEP_BYTES, packed.length);
      inflater.push(packed.subarray(at, end), end === packed.length);
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'AppError') throw cause;
    throw fileError('file/bad-zip', where, 'the compressed data is damaged', { cause });
  }
  if (filled !== out.length) throw fileError('file/bad-zip', where, `inflates to ${filled} bytes, not ${out.length}`);
  return out;
}
