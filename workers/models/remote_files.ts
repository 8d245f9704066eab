/** Addresses as files: asked for once, an index of shards together with its shards. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import { distinctPaths } from '../../src/lib/base/file_path';
import { readSmallJson } from '../../src/lib/models/diffusers_config';
import { probeRemoteFile, remoteImportFile, remoteSource, type RemoteFile } from '../../src/lib/storage/model_download';
import type { ImportFile } from '../../src/lib/storage/model_import';
import { OneWayFile } from '../../src/lib/storage/one_way_file';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_FILES = 200;

/** @throws AppError 'network/failed' */
export async function probeAll(urls: readonly string[], get?: Fetch): Promise<RemoteFile[]> {
  const files = new Map<string, RemoteFile>();
  const probe = async (url: string) => {
    if (!files.has(url) && files.size < MAX_FILES) files.set(url, await probeRemoteFile(url, undefined, get));
  };
  for (const url of urls) await probe(url);
  for (const file of [...files.values()]) {
    if (!/\.index(\.[\w-]+)?\.json$/i.test(file.name)) continue;
    for (const name of await shardNames(file, get)) await probe(new URL(encodeURIComponent(name), file.url).href);
  }
  const paths = distinctPaths([...files.values()].map((file) => file.name));
  return [...files.values()].map((file, i) => ({ ...file, name: paths[i] ?? file.name }));
}

/** Plain names that an index gives; what is wrong with it, its reader will say. */
async function shardNames(file: RemoteFile, get: Fetch | undefined): Promise<string[]> {
  const map = (await readSmallJson(remoteSource(file, get)))?.['weight_map'];
  const names = typeof map === 'object' && map !== null ? Object.values(map) : [];
  return [...new Set(names.filter((name): name is string => typeof name === 'string' && !/[/\\:\0]/.test(name)))];
}

const defaultFetch: Fetch = (url, init) => fetch(url, init);

/** Sources of remote files, for headers. Close what is a `OneWayFile` when it is not copied. */
export function remoteSources(files: readonly RemoteFile[], get: Fetch = defaultFetch): ByteSource[] {
  return files.map((file) => (file.resumable ? remoteSource(file, get) : new OneWayFile(file, get)));
}

/** A remote file for the store; goes on with the answer that its header was read from, where there is one. */
export function remoteImport(file: RemoteFile, source: ByteSource, get?: Fetch): ImportFile {
  const plain = remoteImportFile(file, get);
  return source instanceof OneWayFile ? { ...plain, open: (offset, signal) => source.open(offset, signal) } : plain;
}
