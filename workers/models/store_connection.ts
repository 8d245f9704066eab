/** The worker's connection to the store; opened again after the browser closed it. */
import { openDatabase, type Database } from '../../src/lib/storage/database';
import { ModelStore } from '../../src/lib/storage/model_store';

export class StoreConnection {
  readonly #openDatabase: () => Promise<Database>;
  #database: Promise<Database> | undefined;

  constructor(open: () => Promise<Database> = openDatabase) {
    this.#openDatabase = open;
  }

  async store(): Promise<ModelStore> {
    return new ModelStore(await this.database());
  }

  database(): Promise<Database> {
    this.#database ??= this.#openDatabase().then(
      (database) => {
        database.addEventListener('close', () => (this.#database = undefined));
        // Another tab upgrades or deletes the database: `openDatabase` lets go, the next use opens it again.
        database.addEventListener('versionchange', () => (this.#database = undefined));
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
