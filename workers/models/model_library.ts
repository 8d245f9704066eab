/** The model library behind its contract: the store, what headers tell, and copies that survive a closed tab. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
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
import type { Database, ModelRecord } from '../../src/lib/storage/database';
import { webAddresses } from '../../src/lib/storage/model_download';
import { OneWayFile } from '../../src/lib/storage/one_way_file';
import { modelOf, type ModelStore } from '../../src/lib/storage/model_store';
import { addInPlace, copyIn, type Chosen } from './adding';
import { joinRecords } from './assembly';
import { builtinEntry, entryOf } from './entries';
import { pickedAgain, readAddresses, readPicked } from './reading';
import type { Proposal } from './selection';
import { StoreConnection } from './store_connection';
import { Tasks } from './tasks';

export interface LibraryHost {
  readonly modelsUrl: string;
  readonly openDatabase?: () => Promise<Database>;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** When the worker has been idle for a moment after its start: what a crash left behind is then cleared away. */
const TIDY_AFTER_MS = 3000;

export class ModelLibrary implements ModelsContract {
  readonly #host: LibraryHost;
  readonly #tasks = new Tasks();
  readonly #connection: StoreConnection;
  #chosen: (Chosen & { readonly id: string }) | undefined;
  #selections = 0;
  #tidied = false;

  constructor(host: LibraryHost) {
    this.#host = host;
    this.#connection = new StoreConnection(host.openDatabase);
  }

  async list(): Promise<ModelEntry[]> {
    this.#tidy();
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
    for (const record of await (await this.#store()).unfinished()) {
      const { id, name, urls, shards, totalBytes, paused = false } = record;
      const model = modelOf(id);
      if (isBuiltinRecord(model)) continue;
      const doneBytes = shards.reduce((sum, shard) => sum + shard.sizeBytes, byModel.get(model)?.doneBytes ?? 0);
      const fromFiles = record.handles !== undefined;
      byModel.set(model, {
        id: model,
        name,
        sizeBytes: totalBytes,
        doneBytes,
        paused,
        fromFiles,
        ...(urls ? { urls } : {}),
      });
    }
    return [...byModel.values()];
  }

  async chooseFiles(picked: readonly PickedFile[]): Promise<SelectionReport> {
    const canStayInPlace = picked.length > 0 && picked.every((file) => file.handle !== undefined);
    return this.#choose(await readPicked(picked), { canStayInPlace });
  }

  async chooseUrls(text: string): Promise<SelectionReport> {
    const chosen = await readAddresses(webAddresses(text), this.#host.fetch);
    const resumable = chosen.remotes?.every(({ file }) => file.resumable) ?? true;
    return this.#choose(chosen, { canStayInPlace: false, resumable });
  }

  async add(request: AddRequest, onProgress: TransferProgress): Promise<ModelEntry> {
    const { chosen, proposal } = this.#proposal(request);
    const { parts = [] } = request;
    return this.#tasks.run(proposal.report.id, async (signal) => {
      const store = await this.#store();
      const transfer = { signal, onProgress, ...(this.#host.fetch ? { fetch: this.#host.fetch } : {}) };
      const record = request.inPlace
        ? await addInPlace(store, chosen, proposal, transfer)
        : await copyIn(store, chosen, proposal, { ...transfer, parts });
      return entryOf(await this.#complete(store, record, parts));
    });
  }

  async resume(id: string, onProgress: TransferProgress): Promise<ModelEntry> {
    return this.#tasks.run(id, async (signal) => {
      const store = await this.#store();
      const waiting = (await store.unfinished()).find((one) => modelOf(one.id) === id);
      if (!waiting?.urls && !waiting?.handles) {
        throw new AppError(
          'storage/not-found',
          `import ${id}: it has no address to go on from; choose its file again.`,
        );
      }
      await store.pauseImport(id, false);
      const { fetch } = this.#host;
      const chosen = waiting.urls
        ? await readAddresses(waiting.urls, fetch)
        : await readPicked(await pickedAgain(waiting.name, waiting.handles ?? []));
      const proposal = chosen.proposals.find(({ report }) => report.id === id);
      if (!proposal) {
        const where = waiting.urls ? 'its address leads to other files now' : 'its files have changed';
        throw new AppError(
          waiting.urls ? 'network/changed' : 'file/changed',
          `${waiting.name}: ${where}; start it again.`,
        );
      }
      const { parts = [] } = waiting;
      const transfer = { signal, onProgress, parts, ...(fetch ? { fetch } : {}) };
      return entryOf(await this.#complete(store, await copyIn(store, chosen, proposal, transfer), parts));
    });
  }

  free(id: string): Promise<void> {
    return this.#tasks.free(id);
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
    const store = await this.#store();
    const waiting = (await store.unfinished()).find((one) => modelOf(one.id) === id && one.handles);
    if (waiting?.handles) return waiting.handles.map(({ handle }) => handle);
    return (await this.#record(id)).files.flatMap((file) => file.handle ?? []);
  }

  async #choose(
    chosen: Chosen,
    facts: Pick<SelectionReport, 'canStayInPlace' | 'resumable'>,
  ): Promise<SelectionReport> {
    // An answer that was begun for the last selection and is not being copied.
    for (const { source } of this.#chosen?.remotes ?? []) if (source instanceof OneWayFile) source.close();
    const id = `selection-${++this.#selections}`;
    this.#chosen = { ...chosen, id };
    const store = await this.#store().catch(() => undefined);
    const known = new Set((await store?.list())?.map((record) => record.id));
    const models = chosen.proposals.map(({ report }) => ({ ...report, known: known.has(report.id) }));
    return { id, models, ignored: chosen.ignored, ...facts };
  }

  #proposal({ selection, model }: Pick<AddRequest, 'selection' | 'model'>): { chosen: Chosen; proposal: Proposal } {
    const chosen = this.#chosen?.id === selection ? this.#chosen : undefined;
    const proposal = chosen?.proposals.find(({ report }) => report.id === model);
    if (chosen && proposal) return { chosen, proposal };
    throw new AppError('argument/invalid', `model ${model}: the selection is gone; choose the files again.`);
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

  /** Shards that nothing names are what a crash or a broken deletion left; once a visit, behind the first list. */
  #tidy(): void {
    if (this.#tidied) return;
    this.#tidied = true;
    const collect = async () => (await this.#store()).collectGarbage();
    setTimeout(() => void collect().catch(() => undefined), TIDY_AFTER_MS);
  }
}
