/** Everything the pages share, made once by the layout and handed down by context. */
import { getContext, setContext } from 'svelte';
import { toPlainError, type PlainError } from '../base/errors';
import { openDatabase, type Database } from '../storage/database';
import { GalleryStore } from '../storage/gallery_store';
import { QueueStore } from '../storage/queue_store';
import { SettingsStore } from '../storage/settings_store';
import { Background } from './background.svelte';
import { Commands } from './commands.svelte';
import { CompanionState } from './companion.svelte';
import { ControlUnits } from './control_units.svelte';
import { Draft } from './draft.svelte';
import { EngineOwner } from './engine_owner.svelte';
import { EngineState, type WorkerFactory } from './engine.svelte';
import { rememberedFirst } from './first_paint';
import { GalleryState } from './gallery.svelte';
import { GenerationState, type Parameters } from './generation.svelte';
import { I18n } from './i18n.svelte';
import { ImportPicture, sourceOf } from './import_picture.svelte';
import { LiveState } from './live.svelte';
import { ModelsState } from './models.svelte';
import { NetworksState } from './networks.svelte';
import { ParameterPanelState } from './parameter_panel.svelte';
import { speedSample } from './speed_sample';
import { DEFAULT_MODEL, Preferences } from './preferences.svelte';
import { PromptHistory } from './prompt_history.svelte';
import { PromptLibrary } from './prompt_library.svelte';
import { QueueState } from './queue.svelte';
import { StudioState } from './studio.svelte';
import { Toasts } from './toasts.svelte';
import { Updates } from './updates.svelte';
import type { PictureToUpscale, UpscaleState } from './upscale.svelte';

export class AppState {
  readonly i18n = new I18n();
  readonly updates = new Updates();
  readonly toasts = new Toasts();
  readonly commands = new Commands();
  readonly background = new Background();
  readonly owner = new EngineOwner(
    () => void this.#startEngine(),
    () => {
      this.engine.stop();
      this.engine.phase = 'starting';
    },
  );
  readonly engine: EngineState;
  readonly companion: CompanionState;
  readonly generation: GenerationState;
  readonly preferences: Preferences;
  /** For what keeps values of its own, such as presets. */
  readonly settings: SettingsStore;
  readonly gallery: GalleryState;
  readonly models: ModelsState;
  readonly networks: NetworksState;
  readonly panel: ParameterPanelState;
  readonly queue: QueueState;
  readonly imports: ImportPicture;
  readonly history: PromptHistory;
  readonly library: PromptLibrary;
  readonly studio: StudioState;
  readonly live: LiveState;
  readonly control: ControlUnits;
  /** Pictures on their way to the Upscale page. */
  toUpscale: readonly PictureToUpscale[] = [];
  /** That page's state, made when it is first shown; a job goes on while other pages are. */
  upscaling: UpscaleState | undefined;
  readonly #draft: Draft;
  #database: Promise<Database> | undefined;
  #defaultsTaken = false;

  constructor(workers: Readonly<Record<'engine' | 'models' | 'preprocess' | 'psd', WorkerFactory>>, baseUrl: string) {
    this.engine = new EngineState(workers.engine, baseUrl);
    this.generation = new GenerationState(this.engine);
    const settings = new SettingsStore(() => this.database());
    this.preferences = new Preferences(settings);
    this.companion = new CompanionState(settings);
    this.engine.onCompanionLost = (error) => void this.#withoutCompanion(toPlainError(error));
    this.history = new PromptHistory(settings);
    this.library = new PromptLibrary(settings);
    this.settings = settings;
    this.generation.compose = (parameters) => this.#compose(parameters);
    const database = () => this.database();
    this.gallery = new GalleryState(new GalleryStore(database), this.toasts);
    this.models = new ModelsState(workers.models);
    this.networks = new NetworksState(this.engine);
    this.panel = new ParameterPanelState(settings);
    this.models.device = () => {
      const { backend, memoryLimitBytes: budgetBytes } = this.engine.status ?? {};
      return { wasm: backend === 'onnx-wasm', ...(budgetBytes === undefined ? {} : { budgetBytes }) };
    };
    this.models.speedSample = () => speedSample(this.generation.results, this.engine.model?.id);
    this.queue = new QueueState(this.engine, this.generation, new QueueStore(database));
    this.imports = new ImportPicture(this.engine, this.generation, {
      models: () => this.models.known(),
      networks: () => this.networks.all,
    });
    this.generation.onImage = (result) => void this.gallery.keep(result, this.engine.model?.name ?? '');
    this.generation.onRunning = (running, pictures) => this.#followJob(running, pictures);
    this.studio = new StudioState(() => this.database(), settings, workers.psd);
    const around = {
      sketch: () => this.studio.flatPicture(),
      layer: (id: string) => this.studio.layerPicture(id),
      networks: async () => {
        await this.networks.refresh();
        return this.networks.of('control');
      },
    };
    this.control = new ControlUnits(this.generation, around, workers.preprocess);
    this.generation.prepare = () => this.control.follow();
    this.live = new LiveState(this.engine, this.generation, this.studio);
    this.#draft = new Draft(settings, this.generation, this.live);
    const language = rememberedFirst('language');
    void this.i18n.begin(language === '' ? navigator.languages : [language]);
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

  /** Reads the preferences, then takes the engine when no other tab has it. */
  async start(): Promise<void> {
    void this.owner.isFree().then((free) => free && this.engine.prepareWorker());
    await Promise.all([this.preferences.load(), this.companion.load()]);
    if (location.hash.length > 1 && (await this.companion.takeFromUrl(location))) {
      // The token belongs neither into the history nor into a copied address.
      history.replaceState(history.state, '', location.pathname + location.search);
    }
    const { language } = this.preferences;
    // The engine need not wait for words.
    const texts = this.i18n.use(language === '' ? navigator.languages : [language]);
    void this.#draft.restore();
    void this.history.load();
    void this.panel.load();
    void this.library.load();
    await this.owner.acquire();
    await texts;
  }

  /** Opens a model of the library and takes its defaults; it is opened again on the next visit. */
  async openModel(model: { readonly id: string; readonly builtin: boolean }): Promise<void> {
    if (this.companion.active) {
      // A model of this device: this device computes.
      await this.companion.leave();
      await this.engine.start({ ...this.preferences.compute, model: sourceOf(model) });
    } else await this.engine.openModel(sourceOf(model));
    if (this.engine.error || !this.engine.model) return;
    this.generation.useDefaults(this.engine.model);
    await this.preferences.setModel(model);
    void this.models.refresh();
  }

  async restartEngine(): Promise<void> {
    const { compute, model } = this.preferences;
    const { target } = this.companion;
    if (target) {
      await this.engine.start({ ...compute, model: target.model, companion: target.address });
      const { error } = this.engine;
      if (error?.code.startsWith('companion/')) return this.#withoutCompanion(error);
      // The companion may go away at any time, and with it the host that the app came from.
      void this.models.keepDefault();
    } else await this.engine.start({ ...compute, model: sourceOf(model) });
    this.#takeDefaults();
  }

  /** This device computes in place of a companion that went away; canvas, form and pictures are the page's own. */
  async #withoutCompanion(error: PlainError): Promise<void> {
    if (!this.companion.active) return;
    // For this visit only: on the next one the companion may be there again.
    this.companion.active = false;
    this.companion.error = error;
    await this.restartEngine();
    this.engine.error ??= error;
  }

  /** The companion's settings changed: what computes now, and with which model. */
  async useCompanion(): Promise<void> {
    await this.restartEngine();
    if (this.engine.model) this.generation.useDefaults(this.engine.model);
  }

  /** Of the first model only: after a crash, the form stays as it was. */
  #takeDefaults(): void {
    if (!this.engine.model || this.#defaultsTaken) return;
    this.#defaultsTaken = true;
    this.generation.useDefaults(this.engine.model);
  }

  async #startEngine(): Promise<void> {
    // Cancelled while the page was still reading its settings: "Try again" starts it.
    if (this.engine.phase === 'failed') return this.queue.load();
    await this.restartEngine();
    if (!this.engine.model && !this.preferences.usesDefaultModel) {
      // The chosen model is gone or too large: the app must still open.
      const { error } = this.engine;
      await this.engine.start({ ...this.preferences.compute, model: sourceOf(DEFAULT_MODEL) });
      this.engine.error = error;
      this.#takeDefaults();
    }
    await this.queue.load();
  }

  /** Puts styles and wildcards in; their code is fetched when a prompt has any. */
  async #compose(parameters: Parameters): Promise<{ jobs: readonly Parameters[]; missing: readonly string[] }> {
    const { plot, prompt, negativePrompt } = parameters;
    const styled = parameters.styles?.length || [plot?.x, plot?.y, plot?.z].some((axis) => axis?.axis === 'styles');
    const plain = !styled && !/__|\{/.test(prompt + negativePrompt);
    if (plain) return { jobs: [parameters], missing: [] };
    const { composeJobs } = await import('./parameters/prompt_templates');
    const { styles, wildcards } = this.library;
    return composeJobs(parameters, { styles, wildcards }, () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  }

  #followJob(running: boolean, pictures: number): void {
    if (running) void this.history.remember($state.snapshot(this.generation.parameters));
    void this.background.keepAwake(running && this.preferences.keepAwake);
    const more = this.queue.waiting > 0 && !this.queue.paused;
    if (!running && !more && pictures > 0 && this.preferences.notify) {
      this.background.tell(this.i18n.t('notify.title'), this.i18n.t('notify.done', { count: pictures }));
    }
  }
}

const KEY = Symbol('app');

export function provideApp(app: AppState): void {
  setContext(KEY, app);
}

export function useApp(): AppState {
  return getContext<AppState>(KEY);
}
