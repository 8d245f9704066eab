/** The model library as the page sees it: the list, the tasks under way, and what a selection of files is. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import { proxy, wrap, type Remote } from 'comlink';
import { toPlainError, type PlainError } from '../base/errors';
import type { ModelEntry, ModelsContract, SelectionReport, UnfinishedImport } from '../rpc/models';
import { installErrorTransfer } from '../rpc/error_transfer';
import { requestPersistence, storageUsage, type StorageUsage } from '../storage/usage';
import type { WorkerFactory } from './engine.svelte';
import type { KnownModel } from './settings_from_parameters';

export interface ModelTask {
  readonly id: string;
  readonly name: string;
  readonly kind: 'import' | 'download' | 'verify';
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly url?: string;
}

/** What was chosen and read, waiting for "Add". */
export interface Selection {
  readonly report: SelectionReport;
  readonly files?: readonly File[];
  readonly url?: string;
}

export class ModelsState {
  entries: readonly ModelEntry[] = $state.raw([]);
  unfinished: readonly UnfinishedImport[] = $state.raw([]);
  tasks: readonly ModelTask[] = $state.raw([]);
  selection: Selection | undefined = $state.raw();
  reading = $state(false);
  usage: StorageUsage | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  /** Results of checks by model: damaged parts, empty when sound. */
  verified: Readonly<Record<string, readonly string[]>> = $state.raw({});
  readonly #createWorker: WorkerFactory;
  #remote: Remote<ModelsContract> | undefined;

  constructor(createWorker: WorkerFactory) {
    installErrorTransfer();
    this.#createWorker = createWorker;
  }

  /** The worker starts with the first question. */
  get #library(): Remote<ModelsContract> {
    this.#remote ??= wrap<ModelsContract>(this.#createWorker());
    return this.#remote;
  }

  async refresh(): Promise<void> {
    await this.#attempt(async () => {
      this.entries = await this.#library.list();
      const running = new Set(this.tasks.map((task) => task.id));
      const imports = await this.#library.unfinished();
      this.unfinished = imports.filter((item) => !running.has(modelOf(item.id)));
      this.usage = await storageUsage();
    });
  }

  /** Models for matching a picture's parameters; empty when the list cannot be read. */
  async known(): Promise<readonly KnownModel[]> {
    if (this.entries.length === 0) await this.refresh();
    return this.entries;
  }

  async choose(files: readonly File[]): Promise<void> {
    if (files.length === 0) return;
    await this.#read(async () => ({ report: await this.#library.inspectFiles(files), files }));
  }

  async chooseUrl(url: string): Promise<void> {
    await this.#read(async () => ({ report: await this.#library.inspectUrl(url), url }));
  }

  dismissSelection(): void {
    this.selection = undefined;
  }

  /** Copies or downloads what was chosen. The same files or address again go on where they stopped. */
  async add(): Promise<void> {
    const { selection } = this;
    if (!selection) return;
    this.selection = undefined;
    const { report, files, url } = selection;
    if (url !== undefined) return this.download(url, report.name, report.sizeBytes);
    if (!files) return;
    const id = `file-${await digest(files.map((file) => `${file.name}:${file.size}:${file.lastModified}`).join('\n'))}`;
    await this.#task(
      { id, name: report.name, kind: 'import', doneBytes: 0, totalBytes: report.sizeBytes },
      (progress) => this.#library.importFiles(id, report.name, files, progress),
    );
  }

  async download(url: string, name: string, sizeBytes: number): Promise<void> {
    const id = `url-${await digest(url)}`;
    await this.#task({ id, name, kind: 'download', url, doneBytes: 0, totalBytes: sizeBytes }, (progress) =>
      this.#library.download(id, url, progress),
    );
  }

  async verify(entry: ModelEntry): Promise<void> {
    const task = { id: entry.id, name: entry.name, kind: 'verify', doneBytes: 0, totalBytes: entry.sizeBytes } as const;
    await this.#task(task, async (progress) => {
      const { damaged } = await this.#library.verify(entry.id, progress);
      this.verified = { ...this.verified, [entry.id]: damaged };
    });
  }

  async cancel(task: ModelTask): Promise<void> {
    await this.#attempt(() => this.#library.cancel(task.kind === 'verify' ? `verify-${task.id}` : task.id));
  }

  async discard(item: UnfinishedImport): Promise<void> {
    await this.#attempt(() => this.#library.discard(item.id));
    await this.refresh();
  }

  async rename(entry: ModelEntry, name: string): Promise<void> {
    if (name.trim() !== '') await this.#attempt(() => this.#library.rename(entry.id, name.trim()));
    await this.refresh();
  }

  async annotate(entry: ModelEntry, notes: string): Promise<void> {
    await this.#attempt(() => this.#library.annotate(entry.id, { notes }));
    await this.refresh();
  }

  async delete(entry: ModelEntry): Promise<void> {
    await this.#attempt(() => this.#library.delete(entry.id));
    await this.refresh();
  }

  async exportFiles(entry: ModelEntry): Promise<readonly { readonly path: string; readonly blob: Blob }[]> {
    let files: readonly { readonly path: string; readonly blob: Blob }[] = [];
    await this.#attempt(async () => {
      files = await this.#library.exportFiles(entry.id);
    });
    return files;
  }

  async persist(): Promise<void> {
    await requestPersistence();
    this.usage = await storageUsage();
  }

  async #read(read: () => Promise<Selection>): Promise<void> {
    this.reading = true;
    this.selection = undefined;
    await this.#attempt(async () => {
      this.selection = await read();
    });
    this.reading = false;
  }

  async #task(task: ModelTask, work: (progress: (done: number, total: number) => void) => Promise<unknown>) {
    if (this.tasks.some((running) => running.id === task.id)) return;
    this.tasks = [...this.tasks, task];
    let shown = 0;
    const onProgress = proxy((doneBytes: number, totalBytes: number) => {
      // Chunks are small; the eye needs no more than ten changes a second.
      const now = performance.now();
      if (now - shown < 100 && doneBytes < totalBytes) return;
      shown = now;
      this.tasks = this.tasks.map((one) => (one.id === task.id ? { ...one, doneBytes, totalBytes } : one));
    });
    await this.#attempt(() => work(onProgress));
    this.tasks = this.tasks.filter((one) => one.id !== task.id);
    await this.refresh();
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      this.error = undefined;
      await work();
    } catch (error) {
      const plain = toPlainError(error);
      if (plain.code !== 'job/cancelled') this.error = plain;
    }
  }
}

/** An import's id is the model's and the number of the file. */
function modelOf(importId: string): string {
  return importId.slice(0, importId.lastIndexOf('/'));
}

/** 20 hex digits that stand for a text; not for security. */
async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(bytes.subarray(0, 10), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
