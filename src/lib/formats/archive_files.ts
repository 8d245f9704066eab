/** Zip archives of model files (a diffusers folder, a download of several files) opened as the files inside. */
import type { ByteSource } from '../base/byte_source';
import { inflatedSource } from './inflated_source';
import { entrySource, readZipDirectory, type ZipEntry } from './zip';

/** One weight file of a zipped folder; nothing larger is stored in one file by anyone. */
const MAX_ENTRY_BYTES = 2 ** 40;

/** A checkpoint of torch is a zip too, with its pickle one level down at most. */
const isTorch = (names: Iterable<string>) => [...names].some((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name));

function entryFile(archive: ByteSource, entry: ZipEntry): ByteSource {
  const source = entry.method === 0 ? entrySource(archive, entry) : inflatedSource(archive, entry);
  return { name: entry.name, sizeBytes: source.sizeBytes, read: source.read.bind(source) };
}

/** What systems add to archives: resource forks, folder settings. */
const LITTER = /(^|\/)(__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$)/;

/**
 * Replaces zip archives that are no torch checkpoints by their files, named by their paths inside.
 * @throws AppError 'file/*' of `readZipDirectory`
 */
export async function openArchives(sources: readonly ByteSource[], signal?: AbortSignal): Promise<ByteSource[]> {
  const files: ByteSource[] = [];
  for (const source of sources) {
    const start = await source.read(0, Math.min(4, source.sizeBytes), signal);
    const zipped = start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
    const entries = zipped
      ? await readZipDirectory(source, signal, MAX_ENTRY_BYTES).catch(torchOrThrow(source))
      : undefined;
    if (!entries || isTorch(entries.keys())) files.push(source);
    else {
      for (const entry of entries.values()) if (!LITTER.test(entry.name)) files.push(entryFile(source, entry));
    }
  }
  return files;
}

/** A damaged archive that calls itself a checkpoint is refused by the checkpoint's own reader, with its own message. */
function torchOrThrow(source: ByteSource) {
  return (error: unknown) => {
    if (/\.zip$/i.test(source.name)) throw error;
    return undefined;
  };
}
