/**
 * Brings files into the store: hashed while they arrive, written shard by shard, so that whatever happens at most the
 * last shard's bytes are asked for again.
 */
import { createSHA256, type IHasher } from 'hash-wasm';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import {
  storageError,
  type Database,
  type ImportHandle,
  type ImportRecord,
  type ModelRecord,
  type StoredFile,
  type StoredShard,
} from './database';

export interface ImportFile {
  /** Relative path with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Refused when it does not match. */
  readonly sha256?: string;
  /** Another value than at the last attempt means another content: start over. */
  readonly version?: string;
  /** A second hash is taken from this byte on. */
  readonly tensorStart?: number;
  /** The bytes from `offset` on; an earlier, unfinished import of the same file goes on where it stopped. */
  open(offset: number, signal: AbortSignal | undefined): Promise<ReadableStream<Uint8Array>>;
}

export interface ImportOptions {
  readonly id: string;
  readonly name: string;
  /** Addresses of the whole download. */
  readonly urls?: readonly string[];
  /** For going on after a closed tab; see `ImportRecord`. */
  readonly parts?: readonly string[];
  readonly handles?: readonly ImportHandle[];
  readonly facts?: Partial<Pick<ModelRecord, 'family' | 'origin' | 'licence' | 'notes' | 'tags' | 'metadata'>>;
  readonly signal?: AbortSignal;
  /** `checked` while the bytes of an earlier attempt are read again. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Codes after which what has arrived is of no use. */
const WORTHLESS = ['storage/hash-mismatch', 'network/changed'];

function importId(modelId: string, fileIndex: number): string {
  return `${modelId}/${fileIndex}`;
}

async function guard<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw storageError(action, cause);
  }
}

/** Whole-file hash and, where wanted, the hash of everything behind the header. */
class FileHashes {
  readonly #all: IHasher;
  readonly #tail: IHasher | undefined;
  readonly #tailStart: number;
  #seen = 0;

  private constructor(all: IHasher, tail: IHasher | undefined, tailStart: number) {
    this.#all = all;
    this.#tail = tail;
    this.#tailStart = tailStart;
  }

  static async create({ tensorStart }: ImportFile): Promise<FileHashes> {
    const tail = tensorStart === undefined ? undefined : await createSHA256();
    return new FileHashes(await createSHA256(), tail, tensorStart ?? 0);
  }

  update(bytes: Uint8Array): void {
    this.#all.update(bytes);
    const skipped = Math.max(0, this.#tailStart - this.#seen);
    if (this.#tail && skipped < bytes.length) this.#tail.update(bytes.subarray(skipped));
    this.#seen += bytes.length;
  }

  digest(): { sha256: string; tensorSha256?: string } {
    const sha256 = this.#all.digest();
    return this.#tail ? { sha256, tensorSha256: this.#tail.digest() } : { sha256 };
  }
}

/** One file on its way in. */
class FileImport {
  readonly #database: Database;
  readonly #shardBytes: number;
  readonly #file: ImportFile;
  readonly #index: number;
  readonly #options: ImportOptions & { readonly totalBytes: number };
  readonly #shards: StoredShard[] = [];
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #partBytes = 0;

  constructor(
    database: Database,
    shardBytes: number,
    file: ImportFile,
    index: number,
    options: ImportOptions & { readonly totalBytes: number },
  ) {
    this.#database = database;
    this.#shardBytes = shardBytes;
    this.#file = file;
    this.#index = index;
    this.#options = options;
  }

  get #id(): string {
    return importId(this.#options.id, this.#index);
  }

  async run(onBytes: (fileBytes: number) => void): Promise<StoredFile> {
    const { path, sizeBytes, sha256: promised } = this.#file;
    const hashes = await FileHashes.create(this.#file);
    let arrived = await this.#resume(hashes, onBytes);
    try {
      if (arrived < sizeBytes) arrived = await this.#receive(arrived, hashes, onBytes);
      if (arrived !== sizeBytes) throw this.#wrongLength(arrived);
      const digests = hashes.digest();
      if (promised !== undefined && promised !== digests.sha256) throw this.#wrongHash(digests.sha256, promised);
      return { path, sizeBytes, ...digests, shards: this.#shards };
    } catch (error) {
      await this.#rescue(error);
      throw error;
    }
  }

  async #receive(from: number, hashes: FileHashes, onBytes: (fileBytes: number) => void): Promise<number> {
    const { signal } = this.#options;
    let arrived = from;
    const reader = (await this.#file.open(from, signal)).getReader();
    try {
      for (;;) {
        throwIfAborted(signal);
        const { done, value } = await reader.read();
        if (done) break;
        let rest = value as Uint8Array<ArrayBuffer>;
        while (rest.byteLength > 0) {
          const taken = rest.subarray(0, this.#shardBytes - this.#partBytes);
          hashes.update(taken);
          this.#parts.push(taken);
          this.#partBytes += taken.byteLength;
          arrived += taken.byteLength;
          rest = rest.subarray(taken.byteLength);
          if (this.#partBytes === this.#shardBytes) await this.#commit();
        }
        onBytes(arrived);
        if (arrived > this.#file.sizeBytes) break;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
    if (arrived === this.#file.sizeBytes) await this.#commit();
    return arrived;
  }

  /** Writes what waits as a shard, together with the record that knows it. */
  async #commit(): Promise<void> {
    if (this.#partBytes === 0) return;
    const hasher = await createSHA256();
    for (const part of this.#parts) hasher.update(part);
    // Never a key that was used before: models made of an earlier copy's shards keep them.
    const key = `${this.#id}/${crypto.randomUUID()}`;
    const shard: StoredShard = { key, sizeBytes: this.#partBytes, sha256: hasher.digest() };
    const bytes = new Blob(this.#parts);
    await guard('write shard', async () => {
      const transaction = this.#database.transaction(['shards', 'imports'], 'readwrite');
      await transaction.objectStore('shards').put({ key, bytes });
      await transaction.objectStore('imports').put(this.#record([...this.#shards, shard]));
      await transaction.done;
    });
    this.#shards.push(shard);
    this.#parts = [];
    this.#partBytes = 0;
  }

  #record(shards: readonly StoredShard[]): ImportRecord {
    const { name, urls, parts, handles, totalBytes } = this.#options;
    const { path, sizeBytes, version } = this.#file;
    return {
      id: this.#id,
      name,
      startedAt: Date.now(),
      path,
      sizeBytes,
      totalBytes,
      shards,
      ...(urls === undefined ? {} : { urls }),
      ...(parts === undefined ? {} : { parts }),
      ...(handles === undefined ? {} : { handles }),
      ...(version === undefined ? {} : { version }),
    };
  }

  /** Keeps the last, unfilled shard of a broken transfer; takes all away when the source turned out to be another. */
  async #rescue(error: unknown): Promise<void> {
    const code = error instanceof AppError ? error.code : undefined;
    const tooLong = error instanceof AppError && error.details['tooLong'] === true;
    if (tooLong || WORTHLESS.includes(String(code))) {
      await discardImport(this.#database, this.#id);
      return;
    }
    // A full disk takes no more; a failing store neither.
    if (code?.startsWith('storage/')) return;
    await this.#commit().catch(() => undefined);
  }

  /** Shards of an earlier attempt that are still there and unchanged; the hashes have seen them afterwards. */
  async #resume(hashes: FileHashes, onBytes: (fileBytes: number) => void): Promise<number> {
    const { sizeBytes, path, version } = this.#file;
    const earlier = await guard('read import', () => this.#database.get('imports', this.#id));
    const same = earlier?.sizeBytes === sizeBytes && earlier.path === path && earlier.version === version;
    if (!earlier || !same) {
      if (earlier) await discardImport(this.#database, this.#id);
      // Known from the first byte on: a tab that closes before the first shard leaves something to go on with.
      await guard('begin import', () => this.#database.put('imports', this.#record([])));
      return 0;
    }
    let arrived = 0;
    for (const shard of earlier.shards) {
      throwIfAborted(this.#options.signal);
      const row = await guard('read shard', () => this.#database.get('shards', shard.key));
      // A Blob whose file the browser lost is there and cannot be read.
      const bytes = await row?.bytes.arrayBuffer().catch(() => undefined);
      if (!bytes || (await sha256Of(bytes)) !== shard.sha256) break;
      hashes.update(new Uint8Array(bytes));
      this.#shards.push(shard);
      onBytes((arrived += shard.sizeBytes));
    }
    return arrived;
  }

  #wrongLength(arrived: number): AppError {
    const { path, sizeBytes } = this.#file;
    return new AppError(
      'file/truncated',
      `${path}: ${arrived} bytes arrived, ${sizeBytes} were announced; the connection was cut or the file changed. Try again to go on.`,
      { details: { path, arrived, sizeBytes, tooLong: arrived > sizeBytes } },
    );
  }

  #wrongHash(found: string, expected: string): AppError {
    const { path } = this.#file;
    return new AppError(
      'storage/hash-mismatch',
      `${path}: its SHA-256 is ${found}, ${expected} was promised; the copy is damaged and was thrown away. Get it again.`,
      { details: { path, found, expected } },
    );
  }
}

/**
 * Brings in all files of a model and publishes it.
 * @throws AppError 'storage/quota', 'storage/hash-mismatch', 'network/*', 'file/truncated', 'job/cancelled'; what has
 * arrived stays for a later attempt, except when the source proved to be another one
 */
export async function importModel(
  database: Database,
  shardBytes: number,
  files: readonly ImportFile[],
  options: ImportOptions,
): Promise<ModelRecord> {
  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const stored: StoredFile[] = [];
  let before = 0;
  for (const [index, file] of files.entries()) {
    const one = new FileImport(database, shardBytes, file, index, { ...options, totalBytes });
    stored.push(await one.run((fileBytes) => options.onProgress?.(before + fileBytes, totalBytes)));
    before += file.sizeBytes;
  }
  const now = Date.now();
  const { id, name, facts } = options;
  return publish(database, { id, name, files: stored, sizeBytes: totalBytes, addedAt: now, usedAt: now, ...facts });
}

/**
 * The row appears and the import's records go in one step that the disk has confirmed. Files whose content is stored
 * already use the shards that are there; their own copies go, as do those of an earlier row of this id. A model of the
 * same name and the same files is not added twice: the row that is there is the result.
 */
async function publish(database: Database, record: ModelRecord): Promise<ModelRecord> {
  return guard('publish model', async () => {
    const transaction = database.transaction(['models', 'imports', 'shards'], 'readwrite', { durability: 'strict' });
    const [models, shards] = [transaction.objectStore('models'), transaction.objectStore('shards')];
    const all = await models.getAll();
    const others = all.filter(({ id }) => id !== record.id);
    const files: StoredFile[] = [];
    for (const file of record.files) {
      const twin = others.flatMap((model) => model.files).find((one) => sameContent(one, file));
      const sound = twin && (await Promise.all(twin.shards.map(({ key }) => shards.get(key)))).every(Boolean);
      files.push(sound ? { ...file, shards: twin.shards } : file);
    }
    const twin = others.find((one) => one.name === record.name && sameFiles(one.files, files));
    const published = twin ? { ...twin, usedAt: record.usedAt } : { ...record, files };
    await models.put(published);
    const kept = shardKeys([published, ...others]);
    const earlier = all.filter(({ id }) => id === record.id);
    for (const key of shardKeys([record, ...earlier])) if (!kept.has(key)) await shards.delete(key);
    for (const index of files.keys()) await transaction.objectStore('imports').delete(importId(record.id, index));
    await transaction.done;
    return published;
  });
}

const sameContent = (a: StoredFile, b: StoredFile): boolean =>
  a.shards.length > 0 && a.sha256 === b.sha256 && a.sizeBytes === b.sizeBytes;

/** File for file the same shards under the same paths. */
function sameFiles(a: readonly StoredFile[], b: readonly StoredFile[]): boolean {
  const told = (files: readonly StoredFile[]) => JSON.stringify(files.map(({ path, shards }) => [path, shards]));
  return a.every(({ shards }) => shards.length > 0) && told(a) === told(b);
}

/** Keys of every shard that these models are made of. */
export function shardKeys(models: readonly ModelRecord[]): Set<string> {
  return new Set(models.flatMap(({ files }) => files.flatMap(({ shards }) => shards.map(({ key }) => key))));
}

/** Gives one file's unfinished import up and frees its bytes. */
export async function discardImport(database: Database, id: string): Promise<void> {
  await guard('discard import', async () => {
    const transaction = database.transaction(['shards', 'imports'], 'readwrite');
    const record = await transaction.objectStore('imports').get(id);
    await transaction.objectStore('imports').delete(id);
    for (const shard of record?.shards ?? []) await transaction.objectStore('shards').delete(shard.key);
    await transaction.done;
  });
}

/** By the browser where it can (several times faster), which is on secure origins only. */
export async function sha256Of(bytes: ArrayBuffer): Promise<string> {
  const { subtle } = crypto as { subtle?: SubtleCrypto };
  if (!subtle) return (await createSHA256()).update(new Uint8Array(bytes)).digest();
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
