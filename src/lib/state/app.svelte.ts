/** Everything the pages share, made once by the layout and handed down by context. */
import { getContext, setContext } from 'svelte';
import { openDatabase, type Database } from '../storage/database';
import { SettingsStore } from '../storage/settings_store';
import { EngineState, type WorkerFactory } from './engine.svelte';
import { GenerationState } from './generation.svelte';
import { I18n } from './i18n.svelte';
import { LiveState } from './live.svelte';
import { Preferences } from './preferences.svelte';
import { StudioState } from './studio.svelte';
import { Updates } from './updates.svelte';

export class AppState {
  readonly i18n = new I18n();
  readonly updates = new Updates();
  readonly engine: EngineState;
  readonly generation: GenerationState;
  readonly preferences: Preferences;
  readonly studio: StudioState;
  readonly live: LiveState;
  #database: Promise<Database> | undefined;

  constructor(createEngineWorker: WorkerFactory, baseUrl: string) {
    this.engine = new EngineState(createEngineWorker, baseUrl);
    this.generation = new GenerationState(this.engine);
    const settings = new SettingsStore(() => this.database());
    this.preferences = new Preferences(settings);
    this.studio = new StudioState(() => this.database(), settings);
    this.live = new LiveState(this.engine, this.generation, this.studio);
  }

  /** The page's connection; opened again after the browser closed it. */
  database(): Promise<Database> {
    this.#database ??= openDatabase().then(
      (database) => {
        database.addEventListener('close', () => (this.#database = undefined));
        return database;
      },
      (error: unknown) => {
        this.#database = undefined;
        throw error;
      },
    );
    return this.#database;
  }

  /** Reads the preferences, then starts the engine with the built-in model. */
  async start(): Promise<void> {
    await this.preferences.load();
    const { language, backend, threads } = this.preferences;
    await this.i18n.use(language === '' ? navigator.languages : [language]);
    await this.engine.start({ backend, threads, model: { kind: 'builtin', id: 'tiny-icons' } });
    if (this.engine.model) this.generation.useDefaults(this.engine.model);
  }
}

const KEY = Symbol('app');

export function provideApp(app: AppState): void {
  setContext(KEY, app);
}

export function useApp(): AppState {
  return getContext<AppState>(KEY);
}
