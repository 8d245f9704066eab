/** Measured facts about this device by name; a browser that refuses storage forgets them, and they are measured again. */
import type { Database } from './database';

export class MeasurementStore {
  readonly #open: () => Promise<Database>;

  constructor(open: () => Promise<Database>) {
    this.#open = open;
  }

  async get(key: string): Promise<unknown> {
    try {
      return await (await this.#open()).get('measurements', key);
    } catch {
      return undefined;
    }
  }

  async set(key: string, value: unknown): Promise<void> {
    try {
      await (await this.#open()).put('measurements', value, key);
    } catch {
      // Full or refused storage costs a second at the next start, nothing else.
    }
  }
}
