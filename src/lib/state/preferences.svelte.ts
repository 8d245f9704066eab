/** What the user decided once and for all visits: language, appearance, how to compute. */
import { BACKEND_CHOICES, type BackendChoice } from '../rpc/engine';
import type { SettingsStore } from '../storage/settings_store';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export class Preferences {
  theme: Theme = $state('system');
  /** BCP 47, or empty for the browser's. */
  language = $state('');
  backend: BackendChoice = $state('auto');
  /** 0: as many as sensible. */
  threads = $state(0);
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  /** Values of unknown kinds, from another version, are ignored. */
  async load(): Promise<void> {
    const [theme, language, backend, threads] = await Promise.all(
      ['theme', 'language', 'backend', 'threads'].map((name) => this.#store.get(name)),
    );
    this.theme = THEMES.find((known) => known === theme) ?? 'system';
    this.language = typeof language === 'string' ? language : '';
    this.backend = BACKEND_CHOICES.find((known) => known === backend) ?? 'auto';
    this.threads = typeof threads === 'number' && Number.isInteger(threads) && threads >= 0 ? threads : 0;
    this.applyTheme();
  }

  async setTheme(theme: Theme): Promise<void> {
    this.theme = theme;
    this.applyTheme();
    await this.#store.set('theme', theme);
  }

  async setLanguage(language: string): Promise<void> {
    this.language = language;
    await this.#store.set('language', language);
  }

  async setEngine(backend: BackendChoice, threads: number): Promise<void> {
    this.backend = backend;
    this.threads = threads;
    await this.#store.set('backend', backend);
    await this.#store.set('threads', threads);
  }

  private applyTheme(): void {
    if (this.theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.theme;
  }
}
