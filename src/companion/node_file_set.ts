/** A model file with its neighbours, on disk or on a server. Node only. */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileSet } from '../lib/formats/file_set';
import { openHttpSource } from './http_source';
import { openFileSource } from './node_file_source';

/**
 * Opens a path or an http(s) address; files that it names are opened from the same folder, and all closed together.
 * @throws AppError 'file/unreadable'
 */
export async function openFileSet(path: string, signal?: AbortSignal) {
  if (/^https?:\/\//i.test(path)) {
    const files: FileSet = {
      main: await openHttpSource(path, signal),
      openSibling: (name) =>
        openHttpSource(new URL(encodeURIComponent(name), path).href, signal).catch(() => undefined),
    };
    return { files, close: () => Promise.resolve() };
  }
  const opened: { close(): Promise<void> }[] = [];
  const openOne = async (file: string) => {
    const source = await openFileSource(file);
    opened.push(source);
    return source;
  };
  const files: FileSet = {
    main: await openOne(path),
    openSibling: async (name) => {
      const sibling = join(dirname(path), name);
      return (await stat(sibling).catch(() => undefined))?.isFile() ? openOne(sibling) : undefined;
    },
  };
  const close = async () => void (await Promise.all(opened.map((source) => source.close())));
  return { files, close };
}
