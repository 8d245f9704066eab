/** A file together with the files beside it: shards and external data are named by the main file. */
import type { ByteSource } from '../base/byte_source';
import { fileError, quoted, refuseUnlessPlainFileName } from './format_error';

export interface FileSet {
  readonly main: ByteSource;
  /** Opens a file of the same folder or choice by its plain name; undefined when there is none. */
  openSibling(name: string): Promise<ByteSource | undefined>;
}

/** A set without neighbours. */
export function singleFile(main: ByteSource): FileSet {
  return { main, openSibling: () => Promise.resolve(undefined) };
}

/**
 * A file that the main file names.
 * @throws AppError 'file/path-traversal-name' before anything is opened, 'file/missing-shard'
 */
export async function openNamedSibling(files: FileSet, name: string): Promise<ByteSource> {
  refuseUnlessPlainFileName(files.main.name, name);
  const source = await files.openSibling(name);
  if (source) return source;
  throw fileError('file/missing-shard', files.main.name, `the file ${quoted(name)} is not there`, {
    remedy: 'Choose all files of the model together.',
    details: { missing: name },
  });
}
