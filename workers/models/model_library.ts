/** The model library behind its contract: the store, what headers tell, and copies that survive a closed tab. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
import { folderOf, nameOf } from '../../src/lib/base/file_path';
import type {
  AddRequest,
  ConvertReport,
  ConvertType,
  FitDevice,
  FitReport,
  FitTarget,
  ModelAnnotation,
  ModelEntry,
  ModelsContract,
  PickedFile,
  SelectionReport,
  SpeedSample,
  TransferProgress,
  UnfinishedImport,
} from '../../src/lib/rpc/models';
import {
  builtinRecordId,
  fetchBuiltinIndex,
  isBuiltinRecord,
  keepBuiltin,
  type BuiltinModel,
} from '../../src/lib/storage/builtin_models';
import type { Database, ModelRecord, StoredFile } from '../../src/lib/storage/database';
import { fileInPlace } from '../../src/lib/storage/file_in_place';
import { remoteImportFile, webAddresses, type RemoteFile } from '../../src/lib/storage/model_download';
import type { ImportFile } from '../../src/lib/storage/model_import';
import { modelOf, type ModelStore } from '../../src/lib/storage/model_store';
import { sourceStream } from '../../src/lib/storage/source_stream';
import { joinRecords } from './assembly';
import { builtinEntry, entryOf } from './entries';
import { probeAll, remoteSources } from './remote_files';
import { pickedSources, readSelection, type Proposal, type Selection } from './selection';
import { StoreConnection } from './store_connection';
import { Tasks } from './tasks';

export interface LibraryHost {
  readonly modelsUrl: string;
  readonly openDatabase?: () => Promise<Database>;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** The last selection, waiting for `add`. */
interface Chosen extends Selection {
  readonly id: string;
  readonly picked?: readonly PickedFile[];
  readonly remotes?: readonly RemoteFile[];
}

export class ModelLibrary implements ModelsContract {
  readonly #host: LibraryHost;
  readonly #tasks = new Tasks();
  readonly #connection: StoreConnection;
  #chosen: Chosen | undefined;
  #selections = 0;

  constructor(host: LibraryHost) {
    this.#host = host;
    this.#connection = new StoreConnection(host.openDatabase);
  }

  async list(): Promise<ModelEntry[]> {
    const [records, known] = await Promise.all([(await this.#store()).list(), this.#builtin()]);
    const entries = records.map((record) => {
      const model = known.get(record.id);
      // The engine opens built-in models by their own name.
      return model ? { ...entryOf(record), id: model.id, builtin: true } : entryOf(record);
    });
    for (const [recordId, model] of known) {
      if (!records.some((record) => record.id === recordId)) entries.push(builtinEntry(model));
    }
    return entries.sort((a, b) => Number(b.builtin) - Number(a.builtin) || b.usedAt - a.usedAt);
  }

  async keepDefault(): Promise<void> {
    const { modelsUrl } = this.#host;
    const index = await fetchBuiltinIndex(modelsUrl);
    const model = index.models.find(({ id }) => id === index.default);
    if (model) await keepBuiltin(model, modelsUrl, await this.#store());
  }

  async unfinished(): Promise<UnfinishedImport[]> {
    const byModel = new Map<string, UnfinishedImport>();
    for (const { id, name, urls, shards, totalBytes, paused = false } of await (await this.#store()).unfinished()) {
      const model = modelOf(id);
      if (isBuiltinRecord(model)) continue;
      const doneBytes = shards.reduce((sum, shard) => sum + shard.sizeBytes, byModel.get(model)?.doneBytes ?? 0);
      byModel.set(model, { id: model, name, sizeBytes: totalBytes, doneBytes, paused, ...(urls ? { urls } : {}) });
    }
    return [...byModel.values()];
  }

  async chooseFiles(picked: readonly PickedFile[]): Promise<SelectionReport> {
    const sources = pickedSources(picked);
    const dates = new Map(sources.map((source, i) => [source.name, picked[i]?.file.lastModified ?? 0]));
    const identity = ({ name, sizeBytes }: ByteSource) => `${name}:${sizeBytes}:${dates.get(name) ?? ''}`;
    const selection = await readSelection(sources, identity);
    const canStayInPlace = picked.length > 0 && picked.every((file) => file.handle !== undefined);
    return this.#choose({ ...selection, id: this.#nextSelection(), picked }, { canStayInPlace });
  }

  async chooseUrls(text: string): Promise<SelectionReport> {
    const remotes = await probeAll(webAddresses(text), this.#host.fetch);
    const sources = remoteSources(remotes, this.#host.fetch);
    const urls = new Map(sources.map((source, i) => [source.name, remotes[i]?.url ?? '']));
    const selection = await readSelection(sources, ({ name }) => urls.get(name) ?? name);
    const resumable = remotes.every((remote) => remote.resumable);
    return this.#choose({ ...selection, id: this.#nextSelection(), remotes }, { canStayInPlace: false, resumable });
  }

  async add(request: AddRequest, onProgress: TransferProgress): Promise<ModelEntry> {
    const { chosen, proposal } = this.#proposal(request);
    const { id } = proposal.report;
    return this.#tasks.run(id, async (signal) => {
      const store = await this.#store();
      const record = request.inPlace
        ? await this.#addInPlace(chosen, proposal, signal, onProgress)
        : await this.#copy(store, chosen, proposal, signal, onProgress);
      return entryOf(await this.#complete(store, record, request.parts ?? []));
    });
  }

  async resume(id: string, onProgress: TransferProgress): Promise<ModelEntry> {
    const waiting = (await this.unfinished()).find((one) => one.id === id);
    if (!waiting?.urls) {
      throw new AppError('storage/not-found', `import ${id}: it has no address to go on from; choose its file again.`);
    }
    await (await this.#store()).pauseImport(id, false);
    const report = await this.chooseUrls(waiting.urls.join('\n'));
    const model = report.models.find((one) => one.id === id);
    if (!model) {
      throw new AppError('network/changed', `${waiting.name}: its address leads to other files now; start it again.`);
    }
    return this.add({ selection: report.id, model: id }, onProgress);
  }

  async cancel(id: string, paused: boolean): Promise<void> {
    await this.#tasks.cancel(id);
    if (paused) await (await this.#store()).pauseImport(id, true);
  }

  async discard(id: string): Promise<void> {
    await this.#tasks.run(id, async () => (await this.#store()).discardImport(id));
  }

  async fit(target: FitTarget, device: FitDevice): Promise<FitReport> {
    const [{ planModel }, database] = await Promise.all([import('./fit'), this.#connection.database()]);
    return planModel(await this.#sourcesOf(target), device, database);
  }

  async noteSpeed(sample: SpeedSample): Promise<void> {
    const [{ rememberSpeed }, database] = await Promise.all([import('./fit'), this.#connection.database()]);
    await rememberSpeed(sample, await this.#sourcesOf({ stored: sample.model }), database);
  }

  async verify(id: string, onProgress: TransferProgress): Promise<{ damaged: readonly string[] }> {
    const store = await this.#store();
    const record = await this.#record(id);
    return this.#tasks.run(`verify-${id}`, async (signal) => {
      // Opening files in place tells whether they are still the ones that were added.
      for (const file of record.files) if (file.handle) await store.open(record, file);
      return { damaged: await store.verify(record, signal, (done) => onProgress(done, record.sizeBytes)) };
    });
  }

  async assemble(name: string, ids: readonly string[]): Promise<ModelEntry> {
    const store = await this.#store();
    const records = await Promise.all(ids.map((id) => this.#record(id)));
    const joined = await joinRecords(store, name, records);
    await store.add(joined);
    return entryOf(joined);
  }

  async convert(id: string, type: ConvertType, onProgress: TransferProgress): Promise<ConvertReport> {
    const [{ convertModel }, store, record] = await Promise.all([import('./convert'), this.#store(), this.#record(id)]);
    return this.#tasks.run(`convert-${id}`, async (signal) => {
      const { record: made, ...report } = await convertModel(store, record, type, signal, onProgress);
      return { ...report, entry: entryOf(made) };
    });
  }

  async annotate(id: string, { triggerWords, preview, ...change }: ModelAnnotation): Promise<void> {
    const store = await this.#store();
    const record = await this.#record(id);
    const metadata = { ...record.metadata, ...(triggerWords ? { triggerWords } : {}), ...(preview ? { preview } : {}) };
    await store.update(record.id, { ...change, metadata });
  }

  async delete(id: string): Promise<void> {
    await (await this.#store()).delete((await this.#record(id)).id);
  }

  async exportFiles(id: string): Promise<{ path: string; blob: Blob }[]> {
    const record = await this.#record(id);
    const store = await this.#store();
    const files = [];
    for (const file of record.files) {
      const blobs = file.handle ? [await file.handle.getFile()] : await store.blobs(record, file);
      files.push({ path: file.path, blob: new Blob(blobs, { type: 'application/octet-stream' }) });
    }
    return files;
  }

  async handles(id: string): Promise<readonly FileSystemFileHandle[]> {
    return (await this.#record(id)).files.flatMap((file) => file.handle ?? []);
  }

  async #choose(
    chosen: Chosen,
    facts: Pick<SelectionReport, 'canStayInPlace' | 'resumable'>,
  ): Promise<SelectionReport> {
    this.#chosen = chosen;
    const store = await this.#store().catch(() => undefined);
    const known = new Set((await store?.list())?.map((record) => record.id));
    const models = chosen.proposals.map(({ report }) => ({ ...report, known: known.has(report.id) }));
    return { id: chosen.id, models, ignored: chosen.ignored, ...facts };
  }

  #nextSelection(): string {
    return `selection-${++this.#selections}`;
  }

  #proposal({ selection, model }: Pick<AddRequest, 'selection' | 'model'>): { chosen: Chosen; proposal: Proposal } {
    const chosen = this.#chosen?.id === selection ? this.#chosen : undefined;
    const proposal = chosen?.proposals.find(({ report }) => report.id === model);
    if (chosen && proposal) return { chosen, proposal };
    throw new AppError('argument/invalid', `model ${model}: the selection is gone; choose the files again.`);
  }

  async #copy(
    store: ModelStore,
    chosen: Chosen,
    proposal: Proposal,
    signal: AbortSignal,
    onProgress: TransferProgress,
  ): Promise<ModelRecord> {
    const { id, name } = proposal.report;
    const remotes = new Map(chosen.remotes?.map((remote) => [remote.name, remote]));
    const root = commonFolder(proposal.sources);
    const files = proposal.sources.map((source, i): ImportFile => {
      const remote = remotes.get(source.name);
      const path = source.name.slice(root.length);
      const tensorStart = i === 0 && proposal.tensorStart !== undefined ? { tensorStart: proposal.tensorStart } : {};
      if (remote) return { ...remoteImportFile(remote, this.#host.fetch), path, ...tensorStart };
      return {
        path,
        sizeBytes: source.sizeBytes,
        ...tensorStart,
        open: (offset) => Promise.resolve(sourceStream(source, offset)),
      };
    });
    const urls = chosen.remotes?.map((remote) => remote.url);
    const origin = urls?.[0] ?? 'file';
    return store.import(files, {
      id,
      name,
      signal,
      onProgress,
      facts: factsOf(proposal, origin),
      ...(urls ? { urls } : {}),
    });
  }

  async #addInPlace(
    chosen: Chosen,
    proposal: Proposal,
    signal: AbortSignal,
    onProgress: TransferProgress,
  ): Promise<ModelRecord> {
    const { id, name, sizeBytes } = proposal.report;
    const byPath = new Map(pickedSources(chosen.picked ?? []).map((source, i) => [source.name, chosen.picked?.[i]]));
    const files: StoredFile[] = [];
    let done = 0;
    for (const source of proposal.sources) {
      const picked = byPath.get(source.name);
      if (!picked?.handle)
        throw new AppError('argument/invalid', `${source.name}: it cannot be used in place; copy it.`);
      const before = done;
      files.push(
        await fileInPlace(source, picked.file, picked.handle, signal, (bytes) => onProgress(before + bytes, sizeBytes)),
      );
      done += source.sizeBytes;
    }
    const now = Date.now();
    const record: ModelRecord = {
      id,
      name,
      files,
      sizeBytes,
      addedAt: now,
      usedAt: now,
      ...factsOf(proposal, 'in place'),
    };
    await (await this.#store()).add(record);
    return record;
  }

  /** The record with the files of stored parts, which stay models of their own. */
  async #complete(store: ModelStore, record: ModelRecord, parts: readonly string[]): Promise<ModelRecord> {
    if (parts.length === 0) return record;
    const others = await Promise.all(parts.map((id) => this.#record(id)));
    const joined = { ...(await joinRecords(store, record.name, [record, ...others])), id: record.id };
    await store.add(joined);
    return joined;
  }

  async #sourcesOf(target: FitTarget): Promise<ByteSource[]> {
    const store = await this.#store();
    if ('stored' in target) return store.openAll(await this.#record(target.stored));
    const { proposal } = this.#proposal(target);
    const parts: ByteSource[] = [];
    for (const id of target.parts ?? []) {
      for (const source of await store.openAll(await this.#record(id))) {
        parts.push({ ...source, name: `${id}/${source.name}`, read: source.read.bind(source) });
      }
    }
    return [...proposal.sources, ...parts];
  }

  async #record(id: string): Promise<ModelRecord> {
    const store = await this.#store();
    const direct = await store.get(id);
    const found = direct ?? (await store.list()).find((record) => record.id.startsWith(`builtin-${id}-`));
    if (found) return found;
    throw new AppError('storage/not-found', `model ${id}: it is not in this browser's store.`);
  }

  async #builtin(): Promise<Map<string, BuiltinModel>> {
    const index = await fetchBuiltinIndex(this.#host.modelsUrl).catch(() => undefined);
    return new Map(index?.models.map((model) => [builtinRecordId(model), model]));
  }

  #store(): Promise<ModelStore> {
    return this.#connection.store();
  }
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
