/** Small files of a command: read and written whole, with typed refusals. Model files are read by ranges instead. */
import { constants, type Dirent } from 'node:fs';
import { access, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../lib/base/errors';

/** @throws AppError 'file/unreadable' */
export async function readWhole(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: unknown) => {
    throw new AppError('file/unreadable', `${path}: cannot be read; check the path and its permissions.`, {
      details: { path },
      cause,
    });
  });
}

/** @throws AppError 'file/unwritable' */
export async function writeWhole(path: string, data: Uint8Array | string): Promise<void> {
  await writeFile(path, data).catch((cause: unknown) => {
    throw unwritable(path, 'cannot be written', cause);
  });
}

/**
 * Refuses a place that cannot be written before anything is computed.
 * @throws AppError 'file/unwritable'
 */
export async function assertWritable(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw unwritable(path, 'is a folder, not a file');
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw unwritable(path, `its folder ${folder} is missing or write-protected`, cause);
  });
}

/**
 * Every regular file below a folder, sorted: pipes and devices, which would never answer, are left out, and so are
 * subfolders that may not be read, links to folders (they may run in circles) and names with a leading dot.
 * @throws AppError 'file/unreadable' when the folder itself cannot be read
 */
export async function regularFilesBelow(folder: string): Promise<string[]> {
  const top = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new AppError('file/unreadable', `${folder}: is no folder that can be read; check the path.`, {
      details: { path: folder },
      cause,
    });
  });
  const found: string[] = [];
  const open: { readonly at: string; readonly entries: readonly Dirent[] }[] = [{ at: folder, entries: top }];
  for (let next = open.pop(); next; next = open.pop()) {
    for (const entry of next.entries) {
      if (entry.name.startsWith('.')) continue;
      const path = join(next.at, entry.name);
      if (entry.isDirectory()) {
        open.push({ at: path, entries: await readdir(path, { withFileTypes: true }).catch(() => []) });
      } else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(path)))) found.push(path);
    }
  }
  return found.sort();
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

function unwritable(path: string, what: string, cause?: unknown): AppError {
  return new AppError('file/unwritable', `${path}: ${what}; choose another place or make the folder first.`, {
    details: { path },
    cause,
  });
}
