/** What the user decided once and for all visits: language, appearance, how to compute. */
import { BACKEND_CHOICES, type BackendChoice } from '../rpc/engine';
import type { SettingsStore } from '../storage/settings_store';

export const THEMES = ['system', 'light', 'dark'] as const;
/** Ships with the app. */
export const DEFAULT_MODEL = { id: 'tiny-icons', builtin: true } as const;

export type Theme = (typeof THEMES)[number];

export class Preferences {
  theme: Theme = $state('system');
  /** BCP 47, or empty for the browser's. */
  language = $state('');
  backend: BackendChoice = $state('auto');
  /** 0: as many as sensible. */
  threads = $state(0);
  /** Tell when pictures are done and the page is in the background. */
  notify = $state(true);
  /** Keep the screen on while pictures are made. */
  keepAwake = $state(true);
  /** The model of the last visit. */
  model: { readonly id: string; readonly builtin: boolean } = $state.raw(DEFAULT_MODEL);
  readonly usesDefaultModel: boolean = $derived(this.model.builtin && this.model.id === DEFAULT_MODEL.id);
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  /** Values of unknown kinds, from another version, are ignored. */
  async load(): Promise<void> {
    const [theme, language, backend, threads, notify, keepAwake, model] = await Promise.all(
      ['theme', 'language', 'backend', 'threads', 'notify', 'keepAwake', 'model'].map((name) => this.#store.get(name)),
    );
    this.theme = THEMES.find((known) => known === theme) ?? 'system';
    this.language = typeof language === 'string' ? language : '';
    this.backend = BACKEND_CHOICES.find((known) => known === backend) ?? 'auto';
    this.threads = typeof threads === 'number' && Number.isInteger(threads) && threads >= 0 ? threads : 0;
    this.notify = notify !== false;
    this.keepAwake = keepAwake !== false;
    const { id, builtin } = (model ?? {}) as { id?: unknown; builtin?: unknown };
    if (typeof id === 'string') this.model = { id, builtin: builtin === true };
    this.applyTheme();
  }

  async setFlag(name: 'notify' | 'keepAwake', value: boolean): Promise<void> {
    this[name] = value;
    await this.#store.set(name, value);
  }

  async setModel({ id, builtin }: { readonly id: string; readonly builtin: boolean }): Promise<void> {
    this.model = { id, builtin };
    await this.#store.set('model', this.model);
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
