/** The files of a model on disk: single files, a shard index with its shards, folders with everything in them. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from '../lib/base/byte_source';
import { MODEL_FILE } from '../lib/models/open_model_files';
import { openFileSource } from './node_file_source';

/** More files than any model has: someone named a home folder. */
const MAX_FILES = 2000;

interface Place {
  /** As the model's own files know it, with `/`. */
  readonly name: string;
  readonly path: string;
}

async function filesBelow(folder: string, name: string, found: Place[]): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || found.length >= MAX_FILES) continue;
    const place = { name: `${name}/${entry.name}`, path: join(folder, entry.name) };
    if (entry.isDirectory()) await filesBelow(place.path, place.name, found);
    else if (entry.isFile()) found.push(place);
  }
}

/** Neighbours that an index names; what is wrong with it, its reader will say. */
async function shardsOf(path: string): Promise<Place[]> {
  const index = JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as { weight_map?: Record<string, unknown> };
  const names = new Set(Object.values(index.weight_map ?? {}).map(String));
  const plain = [...names].filter((name) => basename(name) === name && name !== '..');
  return plain.map((name) => ({ name, path: join(dirname(path), name) }));
}

/** Files beside an ONNX model that may hold its data: the model names them, they have no common ending. */
async function dataBeside(path: string): Promise<Place[]> {
  const folder = dirname(path);
  const entries = await readdir(folder, { withFileTypes: true });
  const data = entries.filter((entry) => entry.isFile() && !MODEL_FILE.test(entry.name)).slice(0, MAX_FILES);
  return data.map(({ name }) => ({ name, path: join(folder, name) }));
}

async function placesOf(path: string): Promise<Place[]> {
  const found: Place[] = [];
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    await filesBelow(path, basename(path), found);
    return found;
  }
  found.push({ name: basename(path), path });
  if (/\.index(\.[\w-]+)?\.json$/i.test(path)) found.push(...(await shardsOf(path)));
  if (/\.onnx$/i.test(path)) found.push(...(await dataBeside(path)));
  return found;
}

/**
 * Opens all files of the paths given; the caller closes them.
 * @throws AppError 'file/unreadable'
 */
export async function openModelPaths(
  paths: readonly string[],
): Promise<{ sources: ByteSource[]; close: () => Promise<void> }> {
  const opened: (ByteSource & { close(): Promise<void> })[] = [];
  const close = async () => void (await Promise.all(opened.map((source) => source.close())));
  try {
    for (const path of paths) {
      for (const { name, path: file } of await placesOf(path)) opened.push({ ...(await openFileSource(file)), name });
    }
    return { sources: opened, close };
  } catch (error) {
    await close();
    throw error;
  }
}
