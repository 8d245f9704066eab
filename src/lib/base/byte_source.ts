/**
 * Random access to bytes that may live in a Blob, a File, a Node file handle or behind HTTP Range.
 * Readers ask for ranges; nobody reads a whole file.
 */
import { AppError } from './errors';

export interface ByteSource {
  /** File name or URL, for messages. */
  readonly name: string;
  /** Total size in bytes. */
  readonly sizeBytes: number;
  /** Equal for sources with equal bytes, such as a SHA-256, where known: what was loaded from one serves the other. */
  readonly contentId?: string;
  /** Every read crosses a network: readers take what tells what the file is, and leave its data unchecked. */
  readonly distant?: true;
  /**
   * Reads exactly `length` bytes from `offset`.
   * @throws AppError when the range leaves the source or the medium fails
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** Checks a range against a source; every implementation of `read` calls it first. */
export function assertRange(source: Pick<ByteSource, 'name' | 'sizeBytes'>, offset: number, length: number): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!valid || offset + length > source.sizeBytes) {
    throw new AppError(
      'file/out-of-bounds',
      `${source.name}: bytes ${offset}..${offset + length} were asked for, the file has ${source.sizeBytes}; it is cut off or damaged, get it again.`,
      { details: { name: source.name, offset, length, sizeBytes: source.sizeBytes } },
    );
  }
}

/** Bytes already in memory. */
export function memorySource(name: string, bytes: Uint8Array<ArrayBuffer>): ByteSource {
  const source: ByteSource = {
    name,
    sizeBytes: bytes.byteLength,
    read(offset, length) {
      try {
        assertRange(source, offset, length);
        return Promise.resolve(bytes.subarray(offset, offset + length));
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
  return source;
}

/** A Blob or File; the browser reads ranges from disk. */
export function blobSource(name: string, blob: Blob): ByteSource {
  const source: ByteSource = {
    name,
    sizeBytes: blob.size,
    async read(offset, length) {
      assertRange(source, offset, length);
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        throw new AppError(
          'file/unreadable',
          `${name}: bytes ${offset}..${offset + length} could not be read; the file was moved, changed or deleted. Choose it again.`,
          { details: { name, offset, length }, cause },
        );
      }
    },
  };
  return source;
}
