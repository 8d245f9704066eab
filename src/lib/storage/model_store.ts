/**
 * Models as verified Blob shards. Bytes are hashed while they arrive and written shard by shard; the catalogue row
 * appears only when all are there, so a model in the list is a whole model.
 */
import { createSHA256, type IHasher } from 'hash-wasm';
import { throwIfAborted } from '../base/abort';
import { assertRange, type ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import {
  storageError,
  type Database,
  type ImportRecord,
  type ModelRecord,
  type StoredFile,
  type StoredShard,
} from './database';

/** Blobs of IndexedDB are file-backed, so a shard costs no heap; 64 MiB bounds what a crash can lose. */
export const SHARD_BYTES = 64 * 2 ** 20;

export interface ImportFile {
  /** Relative path with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Refused when it does not match. */
  readonly sha256?: string;
  /** The bytes from `offset` on; an earlier, unfinished import of the same file goes on where it stopped. */
  open(offset: number, signal: AbortSignal | undefined): Promise<ReadableStream<Uint8Array>>;
}

export interface ImportOptions {
  readonly id: string;
  readonly name: string;
  readonly url?: string;
  readonly etag?: string;
  readonly facts?: Partial<Pick<ModelRecord, 'family' | 'origin' | 'licence' | 'notes' | 'metadata'>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

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

  /** Imports that a crash or a closed tab left behind. */
  unfinished(): Promise<ImportRecord[]> {
    return this.#guard('list imports', () => this.#database.getAll('imports'));
  }

  /**
   * Stores a model's files.
   * @throws AppError 'storage/quota', 'storage/hash-mismatch', 'file/truncated', 'job/cancelled'; finished shards stay
   * for a later attempt except after a hash mismatch
   */
  async import(files: readonly ImportFile[], options: ImportOptions): Promise<ModelRecord> {
    const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const stored: StoredFile[] = [];
    let doneBytes = 0;
    for (const [index, file] of files.entries()) {
      const before = doneBytes;
      stored.push(
        await this.#importFile(file, index, options, (fileBytes) => {
          doneBytes = before + fileBytes;
          options.onProgress?.(doneBytes, totalBytes);
        }),
      );
    }
    const now = Date.now();
    const record: ModelRecord = {
      id: options.id,
      name: options.name,
      files: stored,
      sizeBytes: totalBytes,
      addedAt: now,
      usedAt: now,
      ...options.facts,
    };
    await this.#guard('publish model', async () => {
      const transaction = this.#database.transaction(['models', 'imports'], 'readwrite', { durability: 'strict' });
      await transaction.objectStore('models').put(record);
      for (const [index] of files.entries())
        await transaction.objectStore('imports').delete(importId(options.id, index));
      await transaction.done;
    });
    return record;
  }

  async #importFile(
    file: ImportFile,
    index: number,
    options: ImportOptions,
    onBytes: (fileBytes: number) => void,
  ): Promise<StoredFile> {
    const id = importId(options.id, index);
    const hasher = await createSHA256();
    const shards = await this.#resume(id, file, options, hasher);
    let offset = shards.reduce((sum, shard) => sum + shard.sizeBytes, 0);
    onBytes(offset);

    const commit = async (bytes: Uint8Array<ArrayBuffer>[], sizeBytes: number) => {
      const shardHasher = await createSHA256();
      for (const part of bytes) shardHasher.update(part);
      const key = `${options.id}/${index}/${shards.length}`;
      const shard: StoredShard = { key, sizeBytes, sha256: shardHasher.digest() };
      shards.push(shard);
      const progress: ImportRecord = {
        id,
        name: options.name,
        startedAt: Date.now(),
        path: file.path,
        sizeBytes: file.sizeBytes,
        shards: [...shards],
        ...(options.url === undefined ? {} : { url: options.url }),
        ...(options.etag === undefined ? {} : { etag: options.etag }),
        ...(file.sha256 === undefined ? {} : { expectedSha256: file.sha256 }),
      };
      await this.#guard('write shard', async () => {
        const transaction = this.#database.transaction(['shards', 'imports'], 'readwrite');
        await transaction.objectStore('shards').put({ key, bytes: new Blob(bytes) });
        await transaction.objectStore('imports').put(progress);
        await transaction.done;
      });
    };

    if (offset < file.sizeBytes) {
      const reader = (await file.open(offset, options.signal)).getReader();
      try {
        let parts: Uint8Array<ArrayBuffer>[] = [];
        let partBytes = 0;
        for (;;) {
          throwIfAborted(options.signal);
          const { done, value } = await reader.read();
          if (done) break;
          // Cut at shard borders, so that a resumed import gives the same shards.
          let rest = value as Uint8Array<ArrayBuffer>;
          while (rest.byteLength > 0) {
            const taken = rest.subarray(0, this.#shardBytes - partBytes);
            hasher.update(taken);
            parts.push(taken);
            partBytes += taken.byteLength;
            offset += taken.byteLength;
            rest = rest.subarray(taken.byteLength);
            if (partBytes === this.#shardBytes) {
              await commit(parts, partBytes);
              parts = [];
              partBytes = 0;
            }
          }
          onBytes(offset);
          if (offset > file.sizeBytes) break;
        }
        if (offset === file.sizeBytes && partBytes > 0) await commit(parts, partBytes);
      } finally {
        await reader.cancel().catch(() => undefined);
      }
    }
    if (offset !== file.sizeBytes) {
      if (offset > file.sizeBytes) await this.discardImport(id);
      throw new AppError(
        'file/truncated',
        `${file.path}: ${offset} bytes arrived, ${file.sizeBytes} were announced; the connection was cut or the file changed. Try again to go on.`,
        { details: { path: file.path, offset, sizeBytes: file.sizeBytes } },
      );
    }
    const sha256 = hasher.digest();
    if (file.sha256 !== undefined && file.sha256 !== sha256) {
      await this.discardImport(id);
      throw new AppError(
        'storage/hash-mismatch',
        `${file.path}: its SHA-256 is ${sha256}, ${file.sha256} was promised; the copy is damaged and was thrown away. Get it again.`,
        { details: { path: file.path, found: sha256, expected: file.sha256 } },
      );
    }
    return { path: file.path, sizeBytes: file.sizeBytes, sha256, shards };
  }

  /** Shards of an earlier attempt that are still there and unchanged; the hasher has seen them afterwards. */
  async #resume(id: string, file: ImportFile, options: ImportOptions, hasher: IHasher): Promise<StoredShard[]> {
    const earlier = await this.#guard('read import', () => this.#database.get('imports', id));
    if (!earlier) return [];
    const same =
      earlier.sizeBytes === file.sizeBytes &&
      earlier.path === file.path &&
      earlier.etag === options.etag &&
      earlier.url === options.url;
    if (!same) {
      await this.discardImport(id);
      return [];
    }
    const kept: StoredShard[] = [];
    for (const shard of earlier.shards) {
      const record = await this.#guard('read shard', () => this.#database.get('shards', shard.key));
      const bytes = record && new Uint8Array(await record.bytes.arrayBuffer());
      if (!bytes) break;
      const shardHasher = await createSHA256();
      if (shardHasher.update(bytes).digest() !== shard.sha256) break;
      hasher.update(bytes);
      kept.push(shard);
    }
    return kept;
  }

  /** Gives an unfinished import up and frees its bytes. */
  async discardImport(id: string): Promise<void> {
    await this.#guard('discard import', async () => {
      const record = await this.#database.get('imports', id);
      const transaction = this.#database.transaction(['shards', 'imports'], 'readwrite');
      // The record goes first: a crash in between leaves orphans for `collectGarbage`, never a record without bytes.
      await transaction.objectStore('imports').delete(id);
      for (const shard of record?.shards ?? []) await transaction.objectStore('shards').delete(shard.key);
      await transaction.done;
    });
  }

  /** Removes a model, its row first. */
  async delete(id: string): Promise<void> {
    await this.#guard('delete model', async () => {
      const record = await this.#database.get('models', id);
      const transaction = this.#database.transaction(['models', 'shards'], 'readwrite');
      await transaction.objectStore('models').delete(id);
      for (const file of record?.files ?? []) {
        for (const shard of file.shards) await transaction.objectStore('shards').delete(shard.key);
      }
      await transaction.done;
    });
  }

  /** Changes what the user may change: name, notes, tags, licence, and when it was used. */
  async update(
    id: string,
    change: Partial<Pick<ModelRecord, 'name' | 'notes' | 'tags' | 'licence' | 'usedAt' | 'family'>>,
  ): Promise<void> {
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
      const named = new Set([
        ...models.flatMap((model) => model.files.flatMap((file) => file.shards.map((shard) => shard.key))),
        ...imports.flatMap((record) => record.shards.map((shard) => shard.key)),
      ]);
      const orphans = (await transaction.objectStore('shards').getAllKeys()).filter((key) => !named.has(key));
      for (const key of orphans) await transaction.objectStore('shards').delete(key);
      await transaction.done;
      return orphans.length;
    });
  }

  /** Random access to a stored file, over its shards. */
  async open(model: ModelRecord, file: StoredFile): Promise<ByteSource> {
    const blobs: { start: number; blob: Blob }[] = [];
    let start = 0;
    for (const shard of file.shards) {
      const record = await this.#guard('read shard', () => this.#database.get('shards', shard.key));
      if (record?.bytes.size !== shard.sizeBytes) {
        throw new AppError(
          'storage/corrupt',
          `model ${model.name}: part ${shard.key} is gone or damaged; the browser may have evicted it. Delete the model and add it again.`,
          { details: { model: model.id, shard: shard.key } },
        );
      }
      blobs.push({ start, blob: record.bytes });
      start += shard.sizeBytes;
    }
    const source: ByteSource = {
      name: file.path,
      sizeBytes: file.sizeBytes,
      async read(offset, length) {
        assertRange(source, offset, length);
        const out = new Uint8Array(length);
        for (const { start: first, blob } of blobs) {
          const from = Math.max(offset, first);
          const to = Math.min(offset + length, first + blob.size);
          if (from >= to) continue;
          const bytes = await blob
            .slice(from - first, to - first)
            .arrayBuffer()
            .catch((cause: unknown) => {
              throw new AppError(
                'storage/corrupt',
                `model ${model.name}: ${file.path} cannot be read any more; the browser may have evicted it. Delete the model and add it again.`,
                { details: { model: model.id, path: file.path }, cause },
              );
            });
          out.set(new Uint8Array(bytes), from - offset);
        }
        return out;
      },
    };
    return source;
  }

  /** Re-reads every byte; returns the shards whose hash is wrong. */
  async verify(model: ModelRecord, signal?: AbortSignal): Promise<string[]> {
    const damaged: string[] = [];
    for (const shard of model.files.flatMap((file) => file.shards)) {
      throwIfAborted(signal);
      const record = await this.#guard('read shard', () => this.#database.get('shards', shard.key));
      // A Blob whose file the browser lost is there and cannot be read.
      const bytes = await record?.bytes.arrayBuffer().catch(() => undefined);
      if (!bytes || (await sha256(bytes)) !== shard.sha256) damaged.push(shard.key);
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

/** By the browser where it can (several times faster), which is on secure origins only. */
async function sha256(bytes: ArrayBuffer): Promise<string> {
  const { subtle } = crypto as { subtle?: SubtleCrypto };
  if (!subtle) return (await createSHA256()).update(new Uint8Array(bytes)).digest();
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function importId(modelId: string, fileIndex: number): string {
  return `${modelId}/${fileIndex}`;
}
