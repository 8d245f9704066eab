/** The pictures the user made: rows for listing, PNGs and thumbnails beside them. One transaction per change. */
import { storageError, type Database, type GalleryRecord } from './database';

export type GalleryRow = GalleryRecord;

export class GalleryStore {
  readonly #open: () => Promise<Database>;

  constructor(open: () => Promise<Database>) {
    this.#open = open;
  }

  /** All rows, newest first. Pixels are not read. */
  async list(): Promise<GalleryRow[]> {
    return this.#guard('list pictures', async (database) =>
      (await database.getAllFromIndex('gallery', 'createdAt')).reverse(),
    );
  }

  /** @throws AppError 'storage/quota' when the disk is full; nothing is kept of the picture then */
  async add(row: GalleryRow, png: Blob, thumbnail: Blob): Promise<void> {
    await this.#guard('save picture', async (database) => {
      const transaction = database.transaction(['gallery', 'pictures', 'thumbnails'], 'readwrite');
      await Promise.all([
        transaction.objectStore('pictures').put(png, row.id),
        transaction.objectStore('thumbnails').put(thumbnail, row.id),
        transaction.objectStore('gallery').put(row),
        transaction.done,
      ]);
    });
  }

  picture(id: string): Promise<Blob | undefined> {
    return this.#guard('read picture', (database) => database.get('pictures', id));
  }

  thumbnail(id: string): Promise<Blob | undefined> {
    return this.#guard('read thumbnail', (database) => database.get('thumbnails', id));
  }

  async setFavourite(ids: readonly string[], favourite: boolean): Promise<void> {
    await this.#guard('mark pictures', async (database) => {
      const transaction = database.transaction('gallery', 'readwrite');
      for (const id of ids) {
        const row = await transaction.store.get(id);
        if (row) await transaction.store.put({ ...row, favourite: favourite ? 1 : 0 });
      }
      await transaction.done;
    });
  }

  async delete(ids: readonly string[]): Promise<void> {
    await this.#guard('delete pictures', async (database) => {
      const transaction = database.transaction(['gallery', 'pictures', 'thumbnails'], 'readwrite');
      const names = ['gallery', 'pictures', 'thumbnails'] as const;
      await Promise.all(ids.flatMap((id) => names.map((name) => transaction.objectStore(name).delete(id))));
      await transaction.done;
    });
  }

  async clear(): Promise<void> {
    await this.#guard('delete pictures', async (database) => {
      const transaction = database.transaction(['gallery', 'pictures', 'thumbnails'], 'readwrite');
      for (const name of ['gallery', 'pictures', 'thumbnails'] as const) await transaction.objectStore(name).clear();
      await transaction.done;
    });
  }

  async #guard<T>(action: string, work: (database: Database) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#open());
    } catch (cause) {
      throw storageError(action, cause);
    }
  }
}
