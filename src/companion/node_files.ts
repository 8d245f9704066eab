/** Small files of a command: read and written whole, with typed refusals. Model files are read by ranges instead. */
import { constants } from 'node:fs';
import { access, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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

function unwritable(path: string, what: string, cause?: unknown): AppError {
  return new AppError('file/unwritable', `${path}: ${what}; choose another place or make the folder first.`, {
    details: { path },
    cause,
  });
}
