/**
 * Canvas documents in the database: one record per document, one per tile. A save is one transaction, so a crash leaves
 * either the old document or the new one. What records mean is the canvas's business; here they are keys and bytes.
 */
import { AppError } from '../base/errors';
import { storageError, type Database, type TileRecord } from './database';

/** The parts of a canvas document record that storing needs. */
export interface StorableDocument {
  readonly id: string;
  readonly layers: readonly {
    readonly props: { readonly id: string };
    readonly tiles: readonly (readonly [tx: number, ty: number, revision: number])[];
  }[];
}

export type StorableTile = Omit<TileRecord, 'key'>;

export interface DocumentEntry {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
}

export interface LoadedDocument extends DocumentEntry {
  /** As it was given to `save`. */
  readonly state: unknown;
  readonly tiles: readonly StorableTile[];
}

export class DocumentStore {
  readonly #open: () => Promise<Database>;

  constructor(open: () => Promise<Database>) {
    this.#open = open;
  }

  /** Newest first. @throws AppError 'storage/unavailable' */
  async list(): Promise<readonly DocumentEntry[]> {
    return this.#attempt('list documents', async (database) => {
      const records = await database.getAllFromIndex('documents', 'updatedAt');
      return records.reverse().map(({ id, name, updatedAt }) => ({ id, name, updatedAt }));
    });
  }

  /** Undefined when there is none of that id. @throws AppError 'storage/unavailable' */
  async load(id: string): Promise<LoadedDocument | undefined> {
    return this.#attempt('open document', async (database) => {
      const transaction = database.transaction(['documents', 'tiles']);
      const [record, tiles] = await Promise.all([
        transaction.objectStore('documents').get(id),
        transaction.objectStore('tiles').index('documentId').getAll(id),
      ]);
      return record && { ...record, tiles };
    });
  }

  /**
   * Writes changed tiles and the document that names them, and drops tiles it no longer names: all or nothing.
   * @param tiles those that changed since the last save; the rest stays as it is
   * @throws AppError 'storage/quota' when the disk is full, 'storage/unavailable'
   */
  async save(entry: DocumentEntry, state: StorableDocument, tiles: readonly StorableTile[]): Promise<void> {
    if (entry.id !== state.id) {
      throw new AppError(
        'argument/invalid',
        `save document: ids must agree, got "${entry.id}" and "${state.id}"; give the record of this document.`,
      );
    }
    await this.#attempt('save document', async (database) => {
      const transaction = database.transaction(['documents', 'tiles'], 'readwrite', { durability: 'relaxed' });
      const store = transaction.objectStore('tiles');
      const named = new Set(
        state.layers.flatMap(({ props, tiles: list }) => list.map(([tx, ty]) => tileKey(state.id, props.id, tx, ty))),
      );
      // First: a record that cannot be stored throws here, before anything is written.
      const writes: Promise<unknown>[] = [transaction.objectStore('documents').put({ ...entry, state })];
      for (const tile of tiles) {
        writes.push(store.put({ ...tile, key: tileKey(tile.documentId, tile.layerId, tile.tx, tile.ty) }));
      }
      const drop = async (): Promise<void> => {
        const keys = await store.index('documentId').getAllKeys(state.id);
        await Promise.all(keys.filter((key) => !named.has(key)).map((key) => store.delete(key)));
      };
      await Promise.all([...writes, drop(), transaction.done]);
    });
  }

  /** @throws AppError 'storage/unavailable'; unknown ids are ignored */
  async rename(id: string, name: string): Promise<void> {
    await this.#attempt('rename document', async (database) => {
      const transaction = database.transaction('documents', 'readwrite');
      const record = await transaction.store.get(id);
      if (record) await transaction.store.put({ ...record, name });
      await transaction.done;
    });
  }

  /** Removes a document with its tiles. @throws AppError 'storage/unavailable' */
  async remove(id: string): Promise<void> {
    await this.#attempt('delete document', async (database) => {
      const transaction = database.transaction(['documents', 'tiles'], 'readwrite');
      const store = transaction.objectStore('tiles');
      const keys = await store.index('documentId').getAllKeys(id);
      await Promise.all([
        transaction.objectStore('documents').delete(id),
        ...keys.map((key) => store.delete(key)),
        transaction.done,
      ]);
    });
  }

  async #attempt<T>(action: string, work: (database: Database) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#open());
    } catch (cause) {
      throw storageError(action, cause);
    }
  }
}

function tileKey(documentId: string, layerId: string, tx: number, ty: number): string {
  return `${documentId}/${layerId}/${tx},${ty}`;
}
