/** The prompts used last, newest first, for choosing again. */
import type { SettingsStore } from '../storage/settings_store';

const MAX_PROMPTS = 50;

export interface PastPrompt {
  readonly prompt: string;
  readonly negativePrompt: string;
}

export class PromptHistory {
  prompts: readonly PastPrompt[] = $state.raw([]);
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    const stored = await this.#store.get('promptHistory');
    if (!Array.isArray(stored)) return;
    this.prompts = stored.filter(
      (entry: unknown): entry is PastPrompt =>
        typeof (entry as PastPrompt | null)?.prompt === 'string' &&
        typeof (entry as PastPrompt).negativePrompt === 'string',
    );
  }

  /** Puts a prompt in front; the same one is kept once. A full disk loses the history, nothing else. */
  async remember({ prompt, negativePrompt }: PastPrompt): Promise<void> {
    if (prompt.trim() === '') return;
    const rest = this.prompts.filter((past) => past.prompt !== prompt || past.negativePrompt !== negativePrompt);
    this.prompts = [{ prompt, negativePrompt }, ...rest].slice(0, MAX_PROMPTS);
    await this.#store.set('promptHistory', this.prompts).catch(() => undefined);
  }
}
