/** Jobs that wait, so that a reload or a crash loses none of them. */
import { storageError, type Database, type QueueRecord } from './database';

export type QueueRow = QueueRecord;

export class QueueStore {
  readonly #open: () => Promise<Database>;

  constructor(open: () => Promise<Database>) {
    this.#open = open;
  }

  /** In the order of their positions. */
  list(): Promise<QueueRow[]> {
    return this.#guard('list jobs', (database) => database.getAllFromIndex('queue', 'position'));
  }

  async put(rows: readonly QueueRow[]): Promise<void> {
    await this.#guard('save jobs', async (database) => {
      const transaction = database.transaction('queue', 'readwrite');
      for (const row of rows) await transaction.store.put(row);
      await transaction.done;
    });
  }

  async delete(id: string): Promise<void> {
    await this.#guard('delete job', (database) => database.delete('queue', id));
  }

  async clear(): Promise<void> {
    await this.#guard('delete jobs', (database) => database.clear('queue'));
  }

  async #guard<T>(action: string, work: (database: Database) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#open());
    } catch (cause) {
      throw storageError(action, cause);
    }
  }
}
