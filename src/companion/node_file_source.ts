/** A file on disk as a ByteSource. Node only. */
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { assertRange, type ByteSource } from '../lib/base/byte_source';
import { throwIfAborted } from '../lib/base/abort';
import { AppError } from '../lib/base/errors';

/**
 * Opens a file for reading by ranges; the caller closes it.
 * @throws AppError 'file/unreadable' when it is missing, a folder, not permitted, or shrinks while open
 */
export async function openFileSource(path: string): Promise<ByteSource & { close(): Promise<void> }> {
  const name = basename(path);
  const unreadable = (what: string, cause?: unknown) =>
    new AppError('file/unreadable', `${path}: ${what}; check the path and its permissions.`, {
      details: { path },
      cause,
    });
  const refuse = (cause: unknown) => {
    throw unreadable('cannot be opened', cause);
  };
  // Before opening: a pipe would keep the opener waiting for its other end.
  const found = await stat(path).catch(refuse);
  if (!found.isFile()) throw unreadable('is not a file');
  const handle = await open(path, 'r').catch(refuse);
  const source = {
    name,
    sizeBytes: found.size,
    async read(offset: number, length: number, signal?: AbortSignal) {
      assertRange(source, offset, length);
      throwIfAborted(signal);
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done).catch((cause: unknown) => {
          throw unreadable(`bytes ${offset}..${offset + length} cannot be read`, cause);
        });
        if (bytesRead === 0) throw unreadable('became shorter while it was read');
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
  return source;
}
