/** Small values that outlive a visit, by name. Falls back to memory when the browser refuses storage. */
import { storageError, type Database } from './database';

export class SettingsStore {
  readonly #open: () => Promise<Database>;
  readonly #memory = new Map<string, unknown>();

  constructor(open: () => Promise<Database>) {
    this.#open = open;
  }

  async get(name: string): Promise<unknown> {
    try {
      return await (await this.#open()).get('settings', name);
    } catch {
      // Storage refused: settings of this visit still work.
      return this.#memory.get(name);
    }
  }

  /** @throws AppError 'storage/quota' when the disk is full; refused storage is no error here */
  async set(name: string, value: unknown): Promise<void> {
    this.#memory.set(name, value);
    try {
      await (await this.#open()).put('settings', value, name);
    } catch (cause) {
      const error = storageError('save setting', cause);
      if (error.code === 'storage/quota') throw error;
    }
  }
}
