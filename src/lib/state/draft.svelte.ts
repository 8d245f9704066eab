/** The words and the strength that were in the form, kept over a reload, an update and a crash. */
import type { SettingsStore } from '../storage/settings_store';
import type { GenerationState } from './generation.svelte';
import type { LiveState } from './live.svelte';

const NAME = 'draft';
/** Typing goes on for longer than this between two writes. */
const REST_MS = 400;

interface Kept {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly strength: number;
}

export class Draft {
  readonly #settings: SettingsStore;
  readonly #generation: GenerationState;
  readonly #live: LiveState;

  constructor(settings: SettingsStore, generation: GenerationState, live: LiveState) {
    this.#settings = settings;
    this.#generation = generation;
    this.#live = live;
  }

  /** Brings back what was there, unless something was typed meanwhile; from then on every change is kept. */
  async restore(): Promise<void> {
    const kept = (await this.#settings.get(NAME)) as Partial<Kept> | undefined;
    const { parameters } = this.#generation;
    if (parameters.prompt === '' && parameters.negativePrompt === '') {
      if (typeof kept?.prompt === 'string') parameters.prompt = kept.prompt;
      if (typeof kept?.negativePrompt === 'string') parameters.negativePrompt = kept.negativePrompt;
      if (typeof kept?.strength === 'number') this.#live.strength = Math.min(1, Math.max(0.05, kept.strength));
    }
    this.#follow();
  }

  #follow(): void {
    // For as long as the page lives.
    $effect.root(() => {
      $effect(() => {
        const { prompt, negativePrompt } = this.#generation.parameters;
        const { strength } = this.#live;
        const timer = setTimeout(() => {
          const kept: Kept = { prompt, negativePrompt, strength };
          void this.#settings.set(NAME, kept).catch(() => undefined);
        }, REST_MS);
        return () => clearTimeout(timer);
      });
    });
  }
}
