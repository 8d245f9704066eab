/** The model library behind its contract: the store, what headers tell, and copies that survive a closed tab. */
import { blobSource, type ByteSource } from '../../src/lib/base/byte_source';
import { AppError, toPlainError } from '../../src/lib/base/errors';
import type { FileSet } from '../../src/lib/formats/file_set';
import { openTensorIndex } from '../../src/lib/formats/open_tensor_index';
import { assembleModel } from '../../src/lib/models/assemble';
import { detectFile, type DetectedFile } from '../../src/lib/models/detect';
import type {
  FileReport,
  ModelEntry,
  ModelsContract,
  SelectionReport,
  TransferProgress,
  UnfinishedImport,
} from '../../src/lib/rpc/models';
import { builtinRecordId, fetchBuiltinIndex } from '../../src/lib/storage/builtin_models';
import { openDatabase, type Database, type ModelRecord } from '../../src/lib/storage/database';
import {
  probeRemoteFile,
  readRemoteRange,
  remoteImportFile,
  type RemoteFile,
} from '../../src/lib/storage/model_download';
import { ModelStore, type ImportFile } from '../../src/lib/storage/model_store';

export interface LibraryHost {
  readonly modelsUrl: string;
  readonly openDatabase?: () => Promise<Database>;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

const MODEL_FILE = /\.(safetensors|sft|gguf|ckpt|pt|pth|bin|onnx)$/i;
const INDEX_FILE = /\.index\.json$/i;

export class ModelLibrary implements ModelsContract {
  readonly #host: LibraryHost;
  readonly #tasks = new Map<string, AbortController>();
  #database: Promise<Database> | undefined;

  constructor(host: LibraryHost) {
    this.#host = host;
  }

  async list(): Promise<ModelEntry[]> {
    const [records, builtin] = await Promise.all([
      this.#store().then((store) => store.list()),
      fetchBuiltinIndex(this.#host.modelsUrl).catch(() => undefined),
    ]);
    const known = new Map(builtin?.models.map((model) => [builtinRecordId(model), model]));
    const entries = records.map((record) => ({
      ...entryOf(record),
      // The engine opens built-in models by their own name.
      ...(known.has(record.id) ? { id: known.get(record.id)?.id ?? record.id, builtin: true } : {}),
    }));
    for (const [recordId, model] of known) {
      if (records.some((record) => record.id === recordId)) continue;
      const sizeBytes = model.files.reduce((sum, file) => sum + file.sizeBytes, 0);
      const hash = model.files[0]?.sha256.slice(0, 10) ?? '';
      const { id, name, licence, files } = model;
      entries.push({ id, name, licence, files, sizeBytes, hash, builtin: true, stored: false, addedAt: 0, usedAt: 0 });
    }
    return entries.sort((a, b) => Number(b.builtin) - Number(a.builtin) || b.usedAt - a.usedAt);
  }

  async unfinished(): Promise<UnfinishedImport[]> {
    const imports = await (await this.#store()).unfinished();
    return imports.map(({ id, name, path, url, shards, sizeBytes }) => ({
      id,
      name,
      path,
      sizeBytes,
      doneBytes: shards.reduce((sum, shard) => sum + shard.sizeBytes, 0),
      ...(url === undefined ? {} : { url }),
    }));
  }

  async inspectFiles(files: readonly File[]): Promise<SelectionReport> {
    const sources = files.map((file) => blobSource(file.name, file));
    return inspect(sources);
  }

  async inspectUrl(url: string): Promise<SelectionReport> {
    const remote = await probeRemoteFile(url, undefined, this.#host.fetch);
    const report = await inspect([remoteSource(remote, this.#host.fetch)]);
    return { ...report, resumable: remote.resumable };
  }

  async importFiles(id: string, name: string, files: readonly File[], onProgress: TransferProgress) {
    const chosen = files.filter((file) => MODEL_FILE.test(file.name));
    const report = await this.inspectFiles(files);
    const parts = chosen.map((file): ImportFile => ({
      path: file.name,
      sizeBytes: file.size,
      open: (offset) => Promise.resolve(file.slice(offset).stream()),
    }));
    return this.#import(id, parts, name, report, { origin: 'file' }, onProgress);
  }

  async download(id: string, url: string, onProgress: TransferProgress) {
    const remote = await probeRemoteFile(url, undefined, this.#host.fetch);
    const report = remote.resumable
      ? await inspect([remoteSource(remote, this.#host.fetch)])
      : emptyReport(remote.name, remote.sizeBytes);
    const file = remoteImportFile(remote, this.#host.fetch);
    const source = { origin: remote.url, url: remote.url, ...(remote.etag ? { etag: remote.etag } : {}) };
    return this.#import(id, [file], remote.name.replace(MODEL_FILE, ''), report, source, onProgress);
  }

  async verify(id: string, onProgress: TransferProgress): Promise<{ damaged: readonly string[] }> {
    const store = await this.#store();
    const record = await this.#record(id);
    return this.#task(`verify-${id}`, async (signal) => {
      const damaged: string[] = [];
      let done = 0;
      for (const file of record.files) {
        damaged.push(...(await store.verify({ ...record, files: [file] }, signal)));
        onProgress((done += file.sizeBytes), record.sizeBytes);
      }
      return { damaged };
    });
  }

  async cancel(id: string): Promise<void> {
    this.#tasks.get(id)?.abort(new AppError('job/cancelled', `task ${id} was stopped.`));
  }

  async discard(importId: string): Promise<void> {
    await (await this.#store()).discardImport(importId);
  }

  async rename(id: string, name: string): Promise<void> {
    await (await this.#store()).update((await this.#record(id)).id, { name });
  }

  async annotate(id: string, change: { readonly notes?: string; readonly licence?: string }): Promise<void> {
    await (await this.#store()).update((await this.#record(id)).id, change);
  }

  async delete(id: string): Promise<void> {
    await (await this.#store()).delete((await this.#record(id)).id);
  }

  async exportFiles(id: string): Promise<{ path: string; blob: Blob }[]> {
    const record = await this.#record(id);
    const database = await this.#open();
    const files = [];
    for (const { path, shards } of record.files) {
      const blobs: Blob[] = [];
      for (const shard of shards) {
        const row = await database.get('shards', shard.key);
        if (!row) {
          throw new AppError(
            'storage/corrupt',
            `model ${record.name}: part ${shard.key} is gone; add the model again.`,
          );
        }
        blobs.push(row.bytes);
      }
      files.push({ path, blob: new Blob(blobs, { type: 'application/octet-stream' }) });
    }
    return files;
  }

  async #import(
    id: string,
    files: readonly ImportFile[],
    name: string,
    report: SelectionReport,
    source: { readonly origin: string; readonly url?: string; readonly etag?: string },
    onProgress: TransferProgress,
  ): Promise<ModelEntry> {
    if (files.length === 0) {
      throw new AppError('file/unknown-format', `${name}: no file of a model format is among the chosen ones.`);
    }
    const store = await this.#store();
    const { origin, ...rest } = source;
    const licence = report.files.find((file) => file.licence)?.licence;
    return this.#task(id, async (signal) => {
      const record = await store.import(files, {
        id,
        name,
        ...rest,
        facts: {
          origin,
          ...(report.family ? { family: report.family } : {}),
          ...(licence ? { licence } : {}),
          metadata: {
            kind: report.files[0]?.kind ?? 'unknown',
            weightTypes: [...new Set(report.files.flatMap((file) => file.weightTypes))],
            ...(report.familyLabel ? { familyLabel: report.familyLabel } : {}),
          },
        },
        signal,
        onProgress,
      });
      return entryOf(record);
    });
  }

  async #task<T>(id: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#tasks.has(id)) {
      throw new AppError('argument/invalid', `model ${id}: another task works on it; wait until it ends.`);
    }
    const abort = new AbortController();
    this.#tasks.set(id, abort);
    try {
      // One writer over all tabs; a lock falls with its tab, so a crash blocks nobody.
      const { locks } = navigator as { locks?: LockManager };
      if (!locks) return await work(abort.signal);
      return await locks.request(`model:${id}`, { ifAvailable: true }, (lock) => {
        if (lock) return work(abort.signal);
        throw new AppError('storage/blocked', `model ${id}: another tab works on it; wait until it ends.`);
      });
    } finally {
      this.#tasks.delete(id);
    }
  }

  async #record(id: string): Promise<ModelRecord> {
    const store = await this.#store();
    const direct = await store.get(id);
    const found = direct ?? (await store.list()).find((record) => record.id.startsWith(`builtin-${id}-`));
    if (found) return found;
    throw new AppError('storage/not-found', `model ${id}: it is not in this browser's store.`);
  }

  async #store(): Promise<ModelStore> {
    return new ModelStore(await this.#open());
  }

  #open(): Promise<Database> {
    this.#database ??= (this.#host.openDatabase ?? openDatabase)().then(
      (database) => {
        database.addEventListener('close', () => (this.#database = undefined));
        return database;
      },
      (error: unknown) => {
        this.#database = undefined;
        throw error;
      },
    );
    return this.#database;
  }
}

function entryOf(record: ModelRecord): ModelEntry {
  const { id, name, sizeBytes, addedAt, usedAt, family, origin, licence, notes, metadata } = record;
  const text = (key: string) => (typeof metadata?.[key] === 'string' ? metadata[key] : undefined);
  const types = metadata?.['weightTypes'];
  const [kind, familyLabel] = [text('kind'), text('familyLabel')];
  return {
    id,
    name,
    sizeBytes,
    addedAt,
    usedAt,
    builtin: false,
    stored: true,
    hash: record.files[0]?.sha256.slice(0, 10) ?? '',
    files: record.files.map(({ path, sizeBytes: size, sha256 }) => ({ path, sizeBytes: size, sha256 })),
    ...(family === undefined ? {} : { family }),
    ...(familyLabel === undefined ? {} : { familyLabel }),
    ...(kind === undefined ? {} : { kind }),
    ...(Array.isArray(types) ? { weightTypes: types.map(String) } : {}),
    ...(origin === undefined ? {} : { origin }),
    ...(licence === undefined ? {} : { licence }),
    ...(notes === undefined ? {} : { notes }),
  };
}

function remoteSource(remote: RemoteFile, get: LibraryHost['fetch']): ByteSource {
  return {
    name: remote.name,
    sizeBytes: remote.sizeBytes,
    read: (offset, length, signal) =>
      length === 0
        ? Promise.resolve(new Uint8Array())
        : readRemoteRange(remote, offset, Math.min(length, remote.sizeBytes - offset), signal, get),
  };
}

function emptyReport(name: string, sizeBytes: number): SelectionReport {
  return { name, sizeBytes, files: [], missing: [], ignored: [] };
}

/** What the files are, alone and together, from their headers. A file that cannot be read refuses the selection. */
async function inspect(sources: readonly ByteSource[]): Promise<SelectionReport> {
  const indexes = sources.filter((source) => INDEX_FILE.test(source.name));
  const models = sources.filter((source) => MODEL_FILE.test(source.name));
  const ignored = sources.filter((source) => !indexes.includes(source) && !models.includes(source));
  const shards = (source: ByteSource) => indexes.length > 0 && /-\d{5}-of-\d{5}\./.test(source.name);
  const mains = [...indexes, ...models.filter((source) => !shards(source))];
  const detected: DetectedFile[] = [];
  for (const main of mains) {
    const files: FileSet = {
      main,
      openSibling: (name) => Promise.resolve(sources.find((source) => source.name === name)),
    };
    detected.push(detectFile(await openTensorIndex(files)));
  }
  const sizeBytes = models.reduce((sum, source) => sum + source.sizeBytes, 0);
  const base = {
    name: (models[0]?.name ?? sources[0]?.name ?? '').replace(MODEL_FILE, ''),
    sizeBytes,
    files: detected.map((file, i) => reportOf(file, mains[i]?.sizeBytes ?? 0)),
    ignored: ignored.map((source) => source.name),
  };
  try {
    const { family, missing } = assembleModel(detected);
    return { ...base, family: family.id, familyLabel: family.label, missing: missing.map((part) => part.label) };
  } catch (error) {
    const { code, message } = toPlainError(error);
    // Parts and adapters are welcome too; only what nobody understands is a problem.
    const understood = detected.length > 0 && detected.every((file) => file.kind !== 'unknown' || isLora(file));
    if (code === 'model/unrecognised' && understood) return { ...base, missing: [] };
    return { ...base, missing: [], problem: message };
  }
}

function reportOf(file: DetectedFile, sizeBytes: number): FileReport {
  const types = new Set([...file.index.tensors.values()].map((tensor) => tensor.type));
  const licence = file.index.metadata.get('modelspec.license') ?? file.index.metadata.get('general.license');
  const { title } = file.declared;
  return {
    name: file.file,
    sizeBytes,
    kind: file.kind === 'unknown' && isLora(file) ? 'lora' : file.kind,
    weightTypes: [...types],
    tensors: file.index.tensors.size,
    parts: file.parts.map((part) => part.role),
    ...(file.family ? { family: file.family } : {}),
    ...(title ? { title } : {}),
    ...(typeof licence === 'string' ? { licence } : {}),
  };
}

/** Low-rank pairs by the names that trainers write. */
function isLora(file: DetectedFile): boolean {
  for (const name of file.index.tensors.keys()) if (/\.lora_(down|up|A|B)\b|\.hada_w|\.lokr_w/.test(name)) return true;
  return false;
}
