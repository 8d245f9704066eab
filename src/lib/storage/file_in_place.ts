/** Files that stay where the user has them, read through the File System Access API; nothing is copied. */
import { createSHA256 } from 'hash-wasm';
import { throwIfAborted } from '../base/abort';
import { blobSource, type ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { readAhead } from '../base/read_ahead';
import type { StoredFile } from './database';

/** Not in every browser's types yet. */
interface Permitted {
  queryPermission?(options: { mode: 'read' }): Promise<PermissionState>;
}

/**
 * Opens a file in place.
 * @throws AppError 'storage/permission' when the user must allow it again (a press on a button does that, in the page),
 * 'file/unreadable' when it is gone, 'file/changed' when its content is another one than was added
 */
export async function openFileInPlace(
  model: { readonly id: string; readonly name: string },
  stored: StoredFile,
  handle: FileSystemFileHandle,
): Promise<ByteSource> {
  const where = `model ${model.name}: ${stored.path}`;
  const state = await (handle as Permitted).queryPermission?.({ mode: 'read' });
  if (state === 'prompt' || state === 'denied') {
    throw new AppError(
      'storage/permission',
      `${where}: the browser asks again whether the file may be read; allow it.`,
      {
        details: { model: model.id, path: stored.path, state },
      },
    );
  }
  const file = await readHandle(where, handle);
  const same = file.size === stored.sizeBytes && (stored.modifiedAt ?? file.lastModified) === file.lastModified;
  if (!same) {
    throw new AppError(
      'file/changed',
      `${where}: the file on the disk is another one than was added (${file.size} bytes, it had ${stored.sizeBytes}); add it again.`,
      { details: { model: model.id, path: stored.path, sizeBytes: file.size } },
    );
  }
  return readAhead({ ...blobSource(stored.path, file), contentId: stored.sha256 });
}

/** @throws AppError 'file/unreadable' */
export async function readHandle(where: string, handle: FileSystemFileHandle): Promise<File> {
  try {
    return await handle.getFile();
  } catch (cause) {
    throw new AppError(
      'file/unreadable',
      `${where}: the file is not there any more; it was moved, renamed or deleted. Put it back or add it again.`,
      { details: { where }, cause },
    );
  }
}

const STEP_BYTES = 16 * 2 ** 20;

/** A catalogue file that stays where it is; read once for its hash. @throws AppError 'job/cancelled', 'file/unreadable' */
export async function fileInPlace(
  source: ByteSource,
  file: File,
  handle: FileSystemFileHandle,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<StoredFile> {
  const hasher = await createSHA256();
  for (let at = 0; at < source.sizeBytes; at += STEP_BYTES) {
    throwIfAborted(signal);
    hasher.update(await source.read(at, Math.min(STEP_BYTES, source.sizeBytes - at)));
    onBytes(Math.min(source.sizeBytes, at + STEP_BYTES));
  }
  const { name: path, sizeBytes } = source;
  return { path, sizeBytes, sha256: hasher.digest(), shards: [], handle, modifiedAt: file.lastModified };
}
