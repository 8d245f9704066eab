/**
 * Models as verified Blob shards, or as files in place. The catalogue row appears only when every byte is there and
 * hashed, so a model in the list is a whole model.
 */
import { throwIfAborted } from '../base/abort';
import type { ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import {
  storageError,
  type Database,
  type ImportRecord,
  type ModelRecord,
  type StoredFile,
  type StoredShard,
} from './database';
import { openFileInPlace } from './file_in_place';
import { discardImport, importModel, sha256Of, shardKeys, type ImportFile, type ImportOptions } from './model_import';
import { shardSource } from './shard_source';

/**
 * Blobs of IndexedDB are file-backed, so a shard costs no heap. 16 MiB is what a closed tab can lose, and what is held
 * before it is written; a model of 12 GB has 730 of them.
 */
const SHARD_BYTES = 16 * 2 ** 20;

export type ModelChange = Partial<
  Pick<ModelRecord, 'name' | 'notes' | 'tags' | 'licence' | 'usedAt' | 'family' | 'metadata' | 'files'>
>;

export class ModelStore {
  readonly #database: Database;
  readonly #shardBytes: number;

  constructor(database: Database, shardBytes = SHARD_BYTES) {
    this.#database = database;
    this.#shardBytes = shardBytes;
  }

  list(): Promise<ModelRecord[]> {
    return this.#guard('list models', () => this.#database.getAll('models'));
  }

  get(id: string): Promise<ModelRecord | undefined> {
    return this.#guard('read model', () => this.#database.get('models', id));
  }

  /** Imports that a crash, a closed tab or the user left behind, file by file. */
  unfinished(): Promise<ImportRecord[]> {
    return this.#guard('list imports', () => this.#database.getAll('imports'));
  }

  /** Stores a model's files; see `importModel`. */
  import(files: readonly ImportFile[], options: ImportOptions): Promise<ModelRecord> {
    return importModel(this.#database, this.#shardBytes, files, options);
  }

  /** Adds a row without copying: files in place, or parts that other rows hold already. */
  async add(record: ModelRecord): Promise<void> {
    await this.#guard('add model', () => this.#database.put('models', record));
  }

  /** Gives an unfinished import up, with all its files, and frees its bytes. */
  async discardImport(modelId: string): Promise<void> {
    const records = await this.unfinished();
    for (const { id } of records.filter((record) => modelOf(record.id) === modelId)) {
      await discardImport(this.#database, id);
    }
  }

  /** Marks an unfinished import, so that it does not go on by itself. */
  async pauseImport(modelId: string, paused: boolean): Promise<void> {
    await this.#guard('pause import', async () => {
      const transaction = this.#database.transaction('imports', 'readwrite');
      for (const record of await transaction.store.getAll()) {
        if (modelOf(record.id) === modelId) await transaction.store.put({ ...record, paused });
      }
      await transaction.done;
    });
  }

  /** Removes a model, its row first; shards that another model is made of too stay. */
  async delete(id: string): Promise<void> {
    await this.#guard('delete model', async () => {
      const transaction = this.#database.transaction(['models', 'shards'], 'readwrite');
      const models = transaction.objectStore('models');
      const record = await models.get(id);
      await models.delete(id);
      const kept = shardKeys(await models.getAll());
      for (const { key } of record ? shardsOf(record) : []) {
        if (!kept.has(key)) await transaction.objectStore('shards').delete(key);
      }
      await transaction.done;
    });
  }

  /** Changes what the user may change, and what was found out later. */
  async update(id: string, change: ModelChange): Promise<void> {
    await this.#guard('update model', async () => {
      const transaction = this.#database.transaction('models', 'readwrite');
      const record = await transaction.store.get(id);
      if (record) await transaction.store.put({ ...record, ...change });
      await transaction.done;
    });
  }

  /** Deletes shards that no model and no import names; returns how many. */
  async collectGarbage(): Promise<number> {
    return this.#guard('collect garbage', async () => {
      const transaction = this.#database.transaction(['models', 'imports', 'shards'], 'readwrite');
      const models = await transaction.objectStore('models').getAll();
      const imports = await transaction.objectStore('imports').getAll();
      const named = shardKeys(models);
      for (const { key } of imports.flatMap(({ shards }) => shards)) named.add(key);
      const orphans = (await transaction.objectStore('shards').getAllKeys()).filter((key) => !named.has(key));
      for (const key of orphans) await transaction.objectStore('shards').delete(key);
      await transaction.done;
      return orphans.length;
    });
  }

  /**
   * Random access to a stored file, over its shards or in place.
   * @throws AppError 'storage/corrupt' for bytes that are gone, 'storage/permission' and 'file/unreadable' for files in
   * place that may not or cannot be read
   */
  async open(model: ModelRecord, file: StoredFile): Promise<ByteSource> {
    if (file.handle) return openFileInPlace(model, file, file.handle);
    const blobs = await this.blobs(model, file);
    return shardSource(model.name, file, blobs);
  }

  /** The Blobs of a copied file, in order. @throws AppError 'storage/corrupt' */
  async blobs(model: ModelRecord, file: StoredFile): Promise<Blob[]> {
    const blobs: Blob[] = [];
    for (const shard of file.shards) {
      const record = await this.#guard('read shard', () => this.#database.get('shards', shard.key));
      if (record?.bytes.size !== shard.sizeBytes) {
        throw new AppError(
          'storage/corrupt',
          `model ${model.name}: part ${shard.key} is gone or damaged; the browser may have evicted it. Delete the model and add it again.`,
          { details: { model: model.id, shard: shard.key } },
        );
      }
      blobs.push(record.bytes);
    }
    return blobs;
  }

  /** All files of a model as sources. */
  async openAll(model: ModelRecord): Promise<ByteSource[]> {
    const sources: ByteSource[] = [];
    for (const file of model.files) sources.push(await this.open(model, file));
    return sources;
  }

  /**
   * Re-reads every byte.
   * @returns keys of shards, or paths of files in place, whose hash is wrong
   */
  async verify(model: ModelRecord, signal?: AbortSignal, onBytes?: (bytes: number) => void): Promise<string[]> {
    const damaged: string[] = [];
    let done = 0;
    for (const shard of shardsOf(model)) {
      throwIfAborted(signal);
      const record = await this.#guard('read shard', () => this.#database.get('shards', shard.key));
      // A Blob whose file the browser lost is there and cannot be read.
      const bytes = await record?.bytes.arrayBuffer().catch(() => undefined);
      if (!bytes || (await sha256Of(bytes)) !== shard.sha256) damaged.push(shard.key);
      onBytes?.((done += shard.sizeBytes));
    }
    return damaged;
  }

  async #guard<T>(action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw storageError(action, cause);
    }
  }
}

function shardsOf(model: ModelRecord): StoredShard[] {
  return model.files.flatMap((file) => file.shards);
}

/** An import's id is the model's and the number of the file. */
export function modelOf(importId: string): string {
  return importId.slice(0, importId.lastIndexOf('/'));
}
