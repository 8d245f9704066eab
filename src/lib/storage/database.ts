/**
 * The one IndexedDB database: schema, one migration function per version, and typed errors for what browsers do to
 * storage. Nothing outside this folder touches `indexedDB`.
 */
import {
  openDB,
  type DBSchema,
  type IDBPDatabase,
  type IDBPTransaction,
  type OpenDBCallbacks,
  type StoreNames,
} from 'idb';
import { AppError } from '../base/errors';

export interface ShardRecord {
  /** `${modelId}/${fileIndex}/${random}` */
  readonly key: string;
  readonly bytes: Blob;
}

export interface StoredShard {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface StoredFile {
  /** Relative path with `/`, as the user's folder had it. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Empty for a file in place whose bytes nobody has read yet. */
  readonly sha256: string;
  /** Of the bytes behind the header, where that is another number people know (LoRA hashes). */
  readonly tensorSha256?: string;
  /** Empty for a file in place. Models made of the same parts name the same shards. */
  readonly shards: readonly StoredShard[];
  /** A file that stays where the user has it; opened with the user's permission. */
  readonly handle?: FileSystemFileHandle;
  /** Of a file in place, when it was added: another date means another content. Milliseconds since 1970. */
  readonly modifiedAt?: number;
}

/** A network or part of one, and the file that holds it. */
export interface PartFacts {
  readonly role: string;
  readonly encoder?: string;
  readonly architecture: string;
  readonly file: string;
}

/** What headers and the notes beside a file tell; found once, when the model is added. */
export interface ModelFacts {
  /** `checkpoint`, `vae`, `lora`… as detection names files. */
  readonly kind?: string;
  readonly familyLabel?: string;
  readonly weightTypes?: readonly string[];
  readonly parts?: readonly PartFacts[];
  /** Labels of parts that a model of this family needs and these files lack. */
  readonly missing?: readonly string[];
  readonly triggerWords?: readonly string[];
  /** The name that its trainer gave it, which prompts may use. */
  readonly alias?: string;
  readonly description?: string;
  /** What the author says the file was made for: `SD 1.5`, `SDXL 1.0`… */
  readonly baseModel?: string;
  readonly pageUrl?: string;
  readonly preview?: Blob;
}

/** A catalogue row; written only when every shard is verified. */
export interface ModelRecord {
  readonly id: string;
  readonly name: string;
  /** The main file first: its hash is the model's. */
  readonly files: readonly StoredFile[];
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
  readonly usedAt: number;
  readonly family?: string;
  readonly origin?: string;
  readonly licence?: string;
  readonly notes?: string;
  readonly tags?: readonly string[];
  readonly metadata?: ModelFacts;
}

/** One file of an import under way; survives a reload, and is removed with its shards when the import is given up. */
export interface ImportRecord {
  /** `${modelId}/${fileIndex}` */
  readonly id: string;
  readonly name: string;
  readonly startedAt: number;
  /** Addresses of the whole download, so that it can go on; absent for files, which the user chooses again. */
  readonly urls?: readonly string[];
  /** Tells whether the source is still the same: an entity tag, a date. */
  readonly version?: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Of all files of the import. */
  readonly totalBytes: number;
  readonly shards: readonly StoredShard[];
  /** The user stopped it: it does not go on by itself. */
  readonly paused?: boolean;
  /** Ids of stored models whose parts were to complete it. */
  readonly parts?: readonly string[];
  /** All files of the import, where the browser gave handles: they can be read again without being chosen again. */
  readonly handles?: readonly ImportHandle[];
}

export interface ImportHandle {
  readonly path: string;
  readonly handle: FileSystemFileHandle;
}

/** What the gallery lists and searches; the pixels are in stores of their own, so that 10,000 rows load at once. */
export interface GalleryRecord {
  readonly id: string;
  readonly createdAt: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly infotext: string;
  readonly prompt: string;
  readonly model: string;
  readonly seed: number;
  /** 1 when starred; a number because IndexedDB cannot index booleans. */
  readonly favourite: 0 | 1;
}

export interface DocumentRecord {
  readonly id: string;
  readonly name: string;
  readonly updatedAt: number;
  /** The canvas document without pixels, as the canvas folder serialises it. */
  readonly state: unknown;
}

export interface TileRecord {
  /** `${documentId}/${layerId}/${tx},${ty}` */
  readonly key: string;
  readonly documentId: string;
  readonly layerId: string;
  readonly tx: number;
  readonly ty: number;
  /** The document's record names the revision of each of its tiles. */
  readonly revision: number;
  readonly encoding: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface QueueRecord {
  readonly id: string;
  readonly position: number;
  readonly state: 'waiting' | 'running' | 'failed';
  readonly request: unknown;
  readonly error?: unknown;
}

export interface Schema extends DBSchema {
  settings: { key: string; value: unknown };
  models: { key: string; value: ModelRecord; indexes: { usedAt: number } };
  shards: { key: string; value: ShardRecord };
  imports: { key: string; value: ImportRecord };
  gallery: { key: string; value: GalleryRecord; indexes: { createdAt: number; favourite: number } };
  /** By gallery id: the PNG as it was made. */
  pictures: { key: string; value: Blob };
  /** By gallery id: a small picture for the grid. */
  thumbnails: { key: string; value: Blob };
  documents: { key: string; value: DocumentRecord; indexes: { updatedAt: number } };
  tiles: { key: string; value: TileRecord; indexes: { documentId: string } };
  queue: { key: string; value: QueueRecord; indexes: { position: number } };
  /** Measured facts about this device, such as kernel choices, by adapter and browser version. */
  measurements: { key: string; value: unknown };
}

export type Database = IDBPDatabase<Schema>;
type Upgrade = IDBPTransaction<Schema, StoreNames<Schema>[], 'versionchange'>;

/** Migration n brings version n to n + 1; the list's length is the schema version. Never edit one that shipped. */
const MIGRATIONS: readonly ((database: Database, transaction: Upgrade) => void)[] = [
  (database) => {
    database.createObjectStore('settings');
    database.createObjectStore('models', { keyPath: 'id' }).createIndex('usedAt', 'usedAt');
    database.createObjectStore('shards', { keyPath: 'key' });
    database.createObjectStore('imports', { keyPath: 'id' });
    const gallery = database.createObjectStore('gallery', { keyPath: 'id' });
    gallery.createIndex('createdAt', 'createdAt');
    gallery.createIndex('favourite', 'favourite');
    database.createObjectStore('documents', { keyPath: 'id' }).createIndex('updatedAt', 'updatedAt');
    database.createObjectStore('tiles', { keyPath: 'key' }).createIndex('documentId', 'documentId');
    database.createObjectStore('queue', { keyPath: 'id' }).createIndex('position', 'position');
    database.createObjectStore('measurements');
  },
  (database) => {
    database.createObjectStore('pictures');
    database.createObjectStore('thumbnails');
  },
];

/** Behind another tab's upgrade an opening waits without a word from the browser; a crowded disk needs a few seconds. */
const PATIENCE_MS = 8000;

/**
 * Opens the database, migrating it when an older version is found.
 * @throws AppError 'storage/unavailable' when the browser refuses storage, 'storage/blocked' when another tab with an
 * older version does not let go, does not end its own upgrade, or has upgraded it beyond this app
 */
export async function openDatabase(name = 'sketchforge', patienceMs = PATIENCE_MS): Promise<Database> {
  const patience = new AbortController();
  const options: OpenDBCallbacks<Schema> = {
    upgrade(database, oldVersion, _newVersion, transaction) {
      // What takes long from here on is our own work.
      patience.abort();
      for (const migrate of MIGRATIONS.slice(oldVersion)) migrate(database, transaction);
    },
    blocking(_current, _wanted, event) {
      // Another tab wants to migrate: let go at once, this tab reopens on its next use.
      (event.target as IDBDatabase | null)?.close();
    },
  };
  try {
    // Browsers that refuse storage throw at once instead of failing the request.
    const opening = openDB<Schema>(name, MIGRATIONS.length, options);
    return await Promise.race([opening, blockedAfter(patienceMs, patience.signal, opening)]);
  } catch (cause) {
    throw storageError('open', cause);
  } finally {
    patience.abort();
  }
}

/** Refuses when nothing has happened for a while; a connection that comes later is let go. */
function blockedAfter(ms: number, settled: AbortSignal, opening: Promise<Database>): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => {
      const message =
        'storage: another tab holds or changes the database; close the other tabs of the app and try again.';
      reject(new AppError('storage/blocked', message));
      opening.then((database) => database.close()).catch(() => undefined);
    }, ms);
    settled.addEventListener('abort', () => clearTimeout(timer));
  });
}

/** What IndexedDB throws, as our codes: a full disk, a newer database, a vanished one, or storage switched off. */
export function storageError(action: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  if (name === 'VersionError') {
    return new AppError(
      'storage/blocked',
      `storage, ${action}: a newer version of the app has changed the database in another tab; reload this page.`,
      { cause },
    );
  }
  if (name === 'QuotaExceededError') {
    return new AppError(
      'storage/quota',
      `storage, ${action}: the disk or the browser's share of it is full; delete a model or pictures and try again.`,
      { cause },
    );
  }
  return new AppError(
    'storage/unavailable',
    `storage, ${action}: the browser did not allow it (${name || 'unknown'}); leave private mode or allow site data, and reload.`,
    { cause },
  );
}
