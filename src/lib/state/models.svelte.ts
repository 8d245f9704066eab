/** The model library as the page sees it: the list, the tasks under way, and what a selection of files is. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import { proxy, wrap, type Remote } from 'comlink';
import { toPlainError, type PlainError } from '../base/errors';
import type {
  ConvertReport,
  ConvertType,
  FitDevice,
  FitReport,
  FitTarget,
  ModelAnnotation,
  ModelEntry,
  ModelProposal,
  ModelsContract,
  PickedFile,
  SelectionReport,
  SpeedSample,
  TransferProgress,
  UnfinishedImport,
} from '../rpc/models';
import { installErrorTransfer } from '../rpc/error_transfer';
import { storageUsage, type StorageUsage } from '../storage/usage';
import { pickInPlace } from './dropped_files';
import type { WorkerFactory } from './engine.svelte';
import { askToKeep } from './keep_storage';
import type { ModelView } from './model_list';
import type { KnownModel } from './settings_from_parameters';
import { atMostEvery, RateMeter, type TransferRate } from './transfer_rate';
import { untilUnblocked } from './until_unblocked';

export interface ModelTask {
  /** As `cancel` of the library knows it. */
  readonly id: string;
  /** The model that it works on. */
  readonly model: string;
  readonly name: string;
  readonly kind: 'import' | 'download' | 'verify' | 'convert';
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly rate?: TransferRate;
}

/** What was chosen and read, waiting for "Add". */
export interface Selection {
  readonly report: SelectionReport;
  readonly download: boolean;
}

/** Chunks are small; the eye needs no more than ten changes a second. */
const PROGRESS_MS = 100;

/** Other tabs show the same library. */
const CHANNEL = 'sketchforge-models';

export class ModelsState {
  entries: readonly ModelEntry[] = $state.raw([]);
  unfinished: readonly UnfinishedImport[] = $state.raw([]);
  tasks: readonly ModelTask[] = $state.raw([]);
  selection: Selection | undefined = $state.raw();
  reading = $state(false);
  usage: StorageUsage | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  /** The stored model that an added one turned out to be, file for file. */
  sameAs: ModelEntry | undefined = $state.raw();
  view: ModelView = $state.raw({ search: '', sort: 'used', group: 'all' });
  /** Results of checks by model: damaged parts, empty when sound. */
  verified: Readonly<Record<string, readonly string[]>> = $state.raw({});
  /** Plans by proposal or model, each for the device as it was. */
  #fits: Readonly<Record<string, { readonly device: string; readonly fit: FitReport | 'planning' }>> = $state.raw({});
  converted: Readonly<Record<string, ConvertReport>> = $state.raw({});
  /** Where the engine computes and how much it may hold, for plans. */
  device: () => FitDevice = () => ({ wasm: false });
  /** A job of this visit that tells how fast the device is. */
  speedSample: () => SpeedSample | undefined = () => undefined;
  readonly #createWorker: WorkerFactory;
  #remote: Remote<ModelsContract> | undefined;
  #channel: BroadcastChannel | undefined;
  #resumed = false;
  /** Imports that wait for another tab. */
  readonly #waiting = new Set<string>();
  /** What kept the list from being read: gone once it is. */
  #unread: PlainError | undefined;
  /** What the browser did not let a file be read for. */
  #refused: (() => Promise<unknown>) | undefined;

  constructor(createWorker: WorkerFactory) {
    installErrorTransfer();
    this.#createWorker = createWorker;
  }

  /** The worker starts with the first question. */
  get #library(): Remote<ModelsContract> {
    if (!this.#remote) {
      this.#remote = wrap<ModelsContract>(this.#createWorker());
      this.#channel = new BroadcastChannel(CHANNEL);
      this.#channel.onmessage = () => void this.#read();
    }
    return this.#remote;
  }

  /** Brings the default model onto this device. Failing only means that it has to be fetched when it is needed. */
  async keepDefault(): Promise<void> {
    await this.#library.keepDefault().catch(() => undefined);
  }

  async refresh(): Promise<void> {
    if (this.#resumed) return void (await this.#read());
    this.#resumed = true;
    globalThis.addEventListener('online', () => this.#goOn());
    await untilUnblocked(() => this.#read());
    this.#goOn();
  }

  /** A closed tab or a lost connection ends a download: what the user did not stop goes on by itself. */
  #goOn(): void {
    for (const { id, urls, paused } of this.unfinished) {
      if (!urls || paused || this.#waiting.has(id)) continue;
      this.#waiting.add(id);
      void untilUnblocked(() => this.#resumeWhenFree(id)).finally(() => this.#waiting.delete(id));
    }
  }

  /** The tab that was closed, or another one, may hold the import for a while yet. */
  async #resumeWhenFree(id: string): Promise<PlainError | undefined> {
    await this.#library.free(id);
    const unread = await this.#read();
    const item = this.unfinished.find((one) => one.id === id);
    // Two tabs that waited for a third: one of them has it now, and the other waits again.
    return unread ?? (item?.urls && !item.paused ? this.resume(item) : undefined);
  }

  /** Brings what is shown up to date. An error of the user's own doing stays until it is dismissed. */
  async #read(): Promise<PlainError | undefined> {
    try {
      this.entries = await this.#library.list();
      const running = new Set(this.tasks.map((task) => task.model));
      const imports = await this.#library.unfinished();
      this.unfinished = imports.filter((item) => !running.has(item.id));
      this.usage = await storageUsage();
      if (this.error === this.#unread) this.error = undefined;
      return undefined;
    } catch (error) {
      this.#unread = toPlainError(error);
      this.error = this.#unread;
      return this.#unread;
    }
  }

  /** Models for matching a picture's parameters; empty when the list cannot be read. */
  async known(): Promise<readonly KnownModel[]> {
    if (this.entries.length === 0) await this.#read();
    return this.entries;
  }

  async choose(files: readonly PickedFile[]): Promise<void> {
    if (files.length === 0) return;
    await this.#select(async () => ({ report: await this.#library.chooseFiles(files), download: false }));
  }

  /** Files that stay where they are. */
  async chooseInPlace(): Promise<void> {
    await this.#attempt(async () => this.choose(await pickInPlace()));
  }

  async chooseUrl(text: string): Promise<void> {
    await this.#select(async () => ({ report: await this.#library.chooseUrls(text), download: true }));
  }

  dismissSelection(): void {
    this.selection = undefined;
  }

  /**
   * Copies, downloads or takes over one model of the selection. The same files or address again go on where they
   * stopped.
   * @param parts ids of stored models that complete it
   */
  async add(proposal: ModelProposal, options: { parts?: readonly string[]; inPlace?: boolean } = {}): Promise<void> {
    const { selection } = this;
    if (!selection) return;
    const { report, download } = selection;
    const models = report.models.filter((model) => model.id !== proposal.id);
    this.selection = models.length > 0 ? { ...selection, report: { ...report, models } } : undefined;
    const kind = download ? 'download' : 'import';
    const task = {
      id: proposal.id,
      model: proposal.id,
      name: proposal.name,
      kind,
      totalBytes: proposal.sizeBytes,
    } as const;
    await this.#task(task, async (progress) => {
      const entry = await this.#library.add({ selection: report.id, model: proposal.id, ...options }, progress);
      this.sameAs = entry.id === proposal.id ? undefined : entry;
    });
  }

  /** Goes on with what an earlier visit left; from a press when its files must be allowed again. */
  async resume(item: UnfinishedImport): Promise<PlainError | undefined> {
    if (!item.urls && !(await this.allow(item))) return undefined;
    const task = {
      id: item.id,
      model: item.id,
      name: item.name,
      kind: item.urls ? 'download' : 'import',
      totalBytes: item.sizeBytes,
    } as const;
    return this.#task(task, (progress) => this.#library.resume(item.id, progress));
  }

  async verify(entry: ModelEntry): Promise<void> {
    const { id, name, sizeBytes } = entry;
    const task = { id: `verify-${id}`, model: id, name, kind: 'verify', totalBytes: sizeBytes } as const;
    await this.#task(task, async (progress) => {
      const { damaged } = await this.#library.verify(id, progress);
      this.verified = { ...this.verified, [id]: damaged };
    });
  }

  async convert(entry: ModelEntry, type: ConvertType): Promise<void> {
    const { id, name, sizeBytes } = entry;
    const task = { id: `convert-${id}`, model: id, name, kind: 'convert', totalBytes: sizeBytes } as const;
    await this.#task(task, async (progress) => {
      const report = await this.#library.convert(id, type, progress);
      this.converted = { ...this.converted, [id]: report };
    });
  }

  /** Stops a task. A copy or download keeps what it has; `paused` ones go on only when asked. */
  async stop(task: ModelTask): Promise<void> {
    await this.#attempt(() => this.#library.cancel(task.id, task.kind === 'download'));
  }

  /** Stops a task and frees what it has stored. */
  async giveUp(task: ModelTask): Promise<void> {
    await this.stop(task);
    const discard = task.kind === 'import' || task.kind === 'download';
    // The task leaves the list when it has really stopped.
    while (this.tasks.some((one) => one.id === task.id)) await new Promise((resolve) => setTimeout(resolve, 20));
    if (discard) await this.#attempt(() => this.#library.discard(task.model));
    await this.#changed();
  }

  async discard(item: UnfinishedImport): Promise<void> {
    await this.#attempt(() => this.#library.discard(item.id));
    await this.#changed();
  }

  /** The plan of a proposal or model, unless another engine or another limit computes since. */
  fitOf(key: string): FitReport | 'planning' | undefined {
    const planned = this.#fits[key];
    return planned?.device === JSON.stringify(this.device()) ? planned.fit : undefined;
  }

  /** Plans memory and time of a proposal or a stored model on this device. */
  async planFit(key: string, target: FitTarget): Promise<void> {
    const device = JSON.stringify(this.device());
    const { [key]: _before, ...others } = this.#fits;
    this.#fits = { ...others, [key]: { device, fit: 'planning' } };
    try {
      const sample = this.speedSample();
      // Without an estimate of the time the plan is still a plan.
      if (sample) await this.#library.noteSpeed(sample).catch(() => undefined);
      const fit = await this.#library.fit(target, this.device());
      this.#fits = { ...this.#fits, [key]: { device, fit } };
    } catch (error) {
      const { [key]: _failed, ...kept } = this.#fits;
      this.#fits = kept;
      this.error = toPlainError(error);
    }
  }

  async assemble(name: string, entries: readonly ModelEntry[]): Promise<void> {
    await this.#attempt(() =>
      this.#library.assemble(
        name,
        entries.map((entry) => entry.id),
      ),
    );
    await this.#changed();
  }

  async annotate(entry: ModelEntry, change: ModelAnnotation): Promise<void> {
    if (change.name?.trim() === '') return;
    await this.#attempt(() => this.#library.annotate(entry.id, change));
    await this.#changed();
  }

  async delete(entry: ModelEntry): Promise<void> {
    await this.#attempt(() => this.#library.delete(entry.id));
    await this.#changed();
  }

  /** Asks the browser to let files in place be read again; call it from a press. */
  async allow(entry: Pick<ModelEntry, 'id'>): Promise<boolean> {
    let allowed = true;
    await this.#attempt(async () => {
      for (const handle of await this.#library.handles(entry.id)) {
        const { requestPermission } = handle as {
          requestPermission?: (options: { mode: 'read' }) => Promise<PermissionState>;
        };
        if (requestPermission && (await requestPermission.call(handle, { mode: 'read' })) !== 'granted')
          allowed = false;
      }
    });
    return allowed;
  }

  /** As `allow`, and then does again what failed because a file was not allowed to be read. */
  async allowAgain(id: string): Promise<boolean> {
    const refused = this.#refused;
    const allowed = await this.allow({ id });
    if (allowed) await refused?.();
    return allowed;
  }

  async exportFiles(entry: ModelEntry): Promise<readonly { readonly path: string; readonly blob: Blob }[]> {
    let files: readonly { readonly path: string; readonly blob: Blob }[] = [];
    await this.#attempt(async () => {
      files = await this.#library.exportFiles(entry.id);
    });
    return files;
  }

  async persist(): Promise<void> {
    await askToKeep();
    this.usage = await storageUsage();
  }

  async #select(read: () => Promise<Selection>): Promise<void> {
    this.reading = true;
    this.selection = undefined;
    await this.#attempt(async () => {
      this.selection = await read();
    });
    this.reading = false;
  }

  async #task(
    task: Omit<ModelTask, 'doneBytes'>,
    work: (progress: TransferProgress) => Promise<unknown>,
  ): Promise<PlainError | undefined> {
    if (this.tasks.some((running) => running.id === task.id)) return undefined;
    this.tasks = [...this.tasks, { ...task, doneBytes: 0 }];
    this.unfinished = this.unfinished.filter((item) => item.id !== task.model);
    const meter = new RateMeter();
    const show = atMostEvery(PROGRESS_MS, (doneBytes: number, totalBytes: number) => {
      const rate = meter.note(performance.now(), doneBytes, totalBytes);
      const change = { doneBytes, totalBytes, ...(rate ? { rate } : {}) };
      this.tasks = this.tasks.map((one) => (one.id === task.id ? { ...one, ...change } : one));
    });
    const onProgress = proxy(show);
    const error = await this.#attempt(
      () => work(onProgress),
      () => this.#task(task, work),
    );
    this.tasks = this.tasks.filter((one) => one.id !== task.id);
    await this.#changed();
    return error;
  }

  async #changed(): Promise<void> {
    this.#channel?.postMessage('changed');
    await this.#read();
  }

  /** @param again does it once more, after the user has allowed a file to be read */
  async #attempt(work: () => Promise<unknown>, again?: () => Promise<unknown>): Promise<PlainError | undefined> {
    try {
      this.error = undefined;
      this.#refused = undefined;
      await work();
      return undefined;
    } catch (error) {
      const plain = toPlainError(error);
      if (plain.code === 'job/cancelled') return undefined;
      if (plain.code === 'storage/permission') this.#refused = again ?? (() => this.#attempt(work));
      this.error = plain;
      return plain;
    }
  }
}
