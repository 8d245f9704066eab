/** What the user decided once and for all visits: language, appearance, how to compute. */
import { BACKEND_CHOICES, type BackendChoice, type EngineOptions } from '../rpc/engine';
import type { SettingsStore } from '../storage/settings_store';
import { rememberFirst } from './first_paint';

export const THEMES = ['system', 'light', 'dark'] as const;
/** Ships with the app. */
export const DEFAULT_MODEL = { id: 'tiny-icons', builtin: true } as const;

export type Theme = (typeof THEMES)[number];

/** What models may take at most, in GB of 10^9 bytes; 0: as much as there is. */
export const MEMORY_CHOICES_GB = [0, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64] as const;
export type MemoryChoice = (typeof MEMORY_CHOICES_GB)[number];

export class Preferences {
  theme: Theme = $state('system');
  /** BCP 47, or empty for the browser's. */
  language = $state('');
  backend: BackendChoice = $state('auto');
  /** 0: as many as sensible. */
  threads = $state(0);
  memoryGb: MemoryChoice = $state(0);
  /** Kernels of 8-bit products may be used: faster on some devices, slightly other pictures. */
  roundActivations = $state(false);
  /** How the engine is to compute. */
  readonly compute: Omit<EngineOptions, 'baseUrl'> = $derived({
    backend: this.backend,
    threads: this.threads,
    ...(this.memoryGb > 0 ? { memoryLimitBytes: this.memoryGb * 1e9 } : {}),
    ...(this.roundActivations ? { roundActivations: true } : {}),
  });
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
    const names = [
      'theme',
      'language',
      'backend',
      'threads',
      'memoryGb',
      'notify',
      'keepAwake',
      'model',
      'roundActivations',
    ];
    const [theme, language, backend, threads, memoryGb, notify, keepAwake, model, rounds] = await Promise.all(
      names.map((name) => this.#store.get(name)),
    );
    this.theme = THEMES.find((known) => known === theme) ?? 'system';
    this.language = typeof language === 'string' ? language : '';
    this.backend = BACKEND_CHOICES.find((known) => known === backend) ?? 'auto';
    this.threads = typeof threads === 'number' && Number.isInteger(threads) && threads >= 0 ? threads : 0;
    this.memoryGb = MEMORY_CHOICES_GB.find((known) => known === memoryGb) ?? 0;
    this.notify = notify !== false;
    this.keepAwake = keepAwake !== false;
    this.roundActivations = rounds === true;
    rememberFirst('language', this.language);
    const { id, builtin } = (model ?? {}) as { id?: unknown; builtin?: unknown };
    if (typeof id === 'string') this.model = { id, builtin: builtin === true };
    this.applyTheme();
  }

  async setFlag(name: 'notify' | 'keepAwake' | 'roundActivations', value: boolean): Promise<void> {
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
    rememberFirst('language', language);
    await this.#store.set('language', language);
  }

  async setEngine(choice: { backend: BackendChoice; threads: number; memoryGb: MemoryChoice }): Promise<void> {
    Object.assign(this, choice);
    for (const [name, value] of Object.entries(choice)) await this.#store.set(name, value);
  }

  private applyTheme(): void {
    rememberFirst('theme', this.theme);
    if (this.theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.theme;
  }
}
