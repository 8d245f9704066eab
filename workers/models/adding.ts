/** What was chosen, copied into the store or taken over in place. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
import { folderOf, nameOf } from '../../src/lib/base/file_path';
import type { PickedFile, TransferProgress } from '../../src/lib/rpc/models';
import type { ModelRecord, StoredFile } from '../../src/lib/storage/database';
import { fileInPlace } from '../../src/lib/storage/file_in_place';
import type { RemoteFile } from '../../src/lib/storage/model_download';
import type { ImportFile } from '../../src/lib/storage/model_import';
import type { ModelStore } from '../../src/lib/storage/model_store';
import { sourceStream } from '../../src/lib/storage/source_stream';
import { remoteImport, type Fetch } from './remote_files';
import { pickedSources, type Proposal, type Selection } from './selection';

/** A selection, with where its files come from. */
export interface Chosen extends Selection {
  readonly picked?: readonly PickedFile[];
  readonly remotes?: readonly { readonly file: RemoteFile; readonly source: ByteSource }[];
}

export interface Transfer {
  readonly signal: AbortSignal;
  readonly onProgress: TransferProgress;
  readonly fetch?: Fetch;
}

/** Copies or downloads a proposal. @throws AppError as `importModel` */
export async function copyIn(
  store: ModelStore,
  chosen: Chosen,
  proposal: Proposal,
  { signal, onProgress, fetch, parts }: Transfer & { readonly parts: readonly string[] },
): Promise<ModelRecord> {
  const { id, name } = proposal.report;
  const remotes = new Map(chosen.remotes?.map((remote) => [remote.source.name, remote]));
  const root = commonFolder(proposal.sources);
  const files = proposal.sources.map((source, i): ImportFile => {
    const remote = remotes.get(source.name);
    const path = source.name.slice(root.length);
    const tensorStart = i === 0 && proposal.tensorStart !== undefined ? { tensorStart: proposal.tensorStart } : {};
    if (remote) return { ...remoteImport(remote.file, remote.source, fetch), path, ...tensorStart };
    return {
      path,
      sizeBytes: source.sizeBytes,
      ...tensorStart,
      open: (offset) => Promise.resolve(sourceStream(source, offset)),
    };
  });
  const urls = chosen.remotes?.map(({ file }) => file.url);
  const handles = handlesOf(chosen);
  return store.import(files, {
    id,
    name,
    signal,
    onProgress,
    facts: factsOf(proposal, urls?.[0] ?? 'file'),
    ...(urls ? { urls } : {}),
    ...(handles ? { handles } : {}),
    ...(parts.length > 0 ? { parts } : {}),
  });
}

/** Of every file that was chosen, when the browser gave handles for all of them. */
function handlesOf({ picked = [] }: Chosen) {
  const handles = picked.flatMap(({ path, handle }) => (handle ? [{ path, handle }] : []));
  return handles.length > 0 && handles.length === picked.length ? handles : undefined;
}

/** Adds the files where they are. @throws AppError 'file/*', 'storage/*', 'job/cancelled' */
export async function addInPlace(
  store: ModelStore,
  chosen: Chosen,
  proposal: Proposal,
  { signal, onProgress }: Transfer,
): Promise<ModelRecord> {
  const { id, name, sizeBytes } = proposal.report;
  const byPath = new Map(pickedSources(chosen.picked ?? []).map((source, i) => [source.name, chosen.picked?.[i]]));
  const files: StoredFile[] = [];
  let done = 0;
  for (const source of proposal.sources) {
    const picked = byPath.get(source.name);
    if (!picked?.handle) throw new AppError('argument/invalid', `${source.name}: it cannot be used in place; copy it.`);
    const before = done;
    const onBytes = (bytes: number) => onProgress(before + bytes, sizeBytes);
    files.push(await fileInPlace(source, picked.file, picked.handle, signal, onBytes));
    done += source.sizeBytes;
  }
  const now = Date.now();
  const facts = factsOf(proposal, 'in place');
  const record: ModelRecord = { id, name, files, sizeBytes, addedAt: now, usedAt: now, ...facts };
  await store.add(record);
  return record;
}

function factsOf({ facts, family, licence, notes, tags }: Proposal, origin: string) {
  return {
    origin,
    metadata: facts,
    ...(family ? { family } : {}),
    ...(licence ? { licence } : {}),
    ...(notes ? { notes } : {}),
    ...(tags ? { tags } : {}),
  };
}

/** The folder that all files lie in, with its `/`; a model keeps only the paths below it. */
function commonFolder(sources: readonly ByteSource[]): string {
  let folder = folderOf(sources[0]?.name ?? '');
  while (folder !== '' && !sources.every(({ name }) => name.startsWith(`${folder}/`))) folder = folderOf(folder);
  // The folder of a single text encoder says which one it is.
  if (/^text_encoder(_\d)?$/.test(nameOf(folder))) folder = folderOf(folder);
  return folder === '' ? '' : `${folder}/`;
}
