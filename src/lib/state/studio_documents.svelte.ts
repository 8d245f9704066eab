/** The documents of the studio: which one is open, the others, saved by themselves and held by one tab at a time. */
import type { Remote } from 'comlink';
import { toPlainError, type PlainError } from '../base/errors';
import type { CanvasEngine } from '../canvas/canvas_engine';
import type { EngineNotice } from '../canvas/stroke_editor';
import { createDocument, type CanvasDocument } from '../canvas/document/document';
import { createLayerProps } from '../canvas/document/layer';
import { DocumentEditor } from '../canvas/document_editor';
import type { Rgb } from '../canvas/document/pixels';
import type { Size } from '../canvas/geometry/viewport';
import type { LayeredPicture, PsdContract } from '../canvas/serial/psd_file';
import { restoreDocument, type DocumentRecord, type TileRecord } from '../canvas/serial/records';
import type { Database } from '../storage/database';
import { DocumentStore, type DocumentEntry } from '../storage/document_store';
import type { SettingsStore } from '../storage/settings_store';
import { Autosave } from './autosave.svelte';
import type { WorkerFactory } from './engine.svelte';
import { StudioTools } from './studio_tools.svelte';

export interface StudioNotice {
  readonly code: EngineNotice | 'restored-partly' | 'open-elsewhere';
  readonly id: number;
}

/** How long the page that is going away (a reload) may hold its document. */
const CLAIM_MS = 1500;
const PAPER: Rgb = [255, 255, 255];

export abstract class StudioDocuments extends StudioTools {
  engine: CanvasEngine | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  document: { readonly id: string; readonly name: string } = $state.raw({ id: '', name: '' });
  documents: readonly DocumentEntry[] = $state.raw([]);
  autosave: Autosave | undefined = $state.raw();
  notice: StudioNotice | undefined = $state.raw();
  readonly #store: DocumentStore;
  #opening: Promise<void> | undefined;
  #release: (() => void) | undefined;

  readonly #createPsdWorker: WorkerFactory;

  constructor(database: () => Promise<Database>, settings: SettingsStore, createPsdWorker: WorkerFactory) {
    super(settings);
    this.#createPsdWorker = createPsdWorker;
    this.#store = new DocumentStore(database);
  }

  /** Shows a document; gives the engine that edits it. */
  protected abstract adopt(document: CanvasDocument, revision: number, penSeen: boolean): CanvasEngine;

  /** Opens the document of the last visit, or a new one. Safe to call again. */
  open(fresh: Size): Promise<void> {
    this.#opening ??= this.#openLast(fresh);
    return this.#opening;
  }

  async #openLast(fresh: Size): Promise<void> {
    const [last] = await Promise.all([this.settings.get('studio.document'), this.restoreHand()]);
    if (typeof last === 'string' && (await this.openDocument(last))) return;
    await this.newDocument(fresh, '');
  }

  async newDocument(size: Size, name: string): Promise<void> {
    const id = crypto.randomUUID();
    const layers = [createLayerProps('layer-1', 'paint', '')];
    const document = createDocument({ id, ...size, background: PAPER, layers });
    await this.#take(document, name, 0, -1, await this.#claim(id));
  }

  /**
   * A PSD's layers as a document of their own, stored at once.
   * @throws AppError `image/invalid` for what is no 8-bit PSD, `canvas/too-large` for what no document can hold
   */
  async importPsd(file: File, name: string): Promise<void> {
    await this.#openLayers(await this.#psd((psd) => psd.read(file, file.name)), name);
  }

  /** @param names  what unnamed layers are called in the file, by layer id */
  async exportPsd(names: ReadonlyMap<string, string>): Promise<Blob | undefined> {
    const saved = this.engine?.encodeChanges(-1, { compress: false });
    return saved && this.#psd((psd) => psd.write(saved, names));
  }

  async #psd<T>(work: (psd: Remote<PsdContract>) => Promise<T>): Promise<T> {
    const { inPsdWorker } = await import('./psd_worker');
    return inPsdWorker(this.#createPsdWorker, work);
  }

  async #openLayers(picture: LayeredPicture, name: string): Promise<void> {
    const id = crypto.randomUUID();
    const layers = picture.layers.map((layer, i) => createLayerProps(`layer-${i + 1}`, 'paint', layer.name));
    const { width, height, background } = picture;
    const editor = new DocumentEditor(createDocument({ id, width, height, background, layers }));
    for (const [i, { image, at, visible, opacity, blendMode, locked }] of picture.layers.entries()) {
      const layerId = `layer-${i + 1}`;
      if (image) editor.putImage(layerId, image, at);
      editor.patchLayer(layerId, { visible, opacity, blendMode, locked });
    }
    await this.#take(editor.content, name, editor.committedRevision, -1, await this.#claim(id));
    await this.autosave?.flush();
  }

  /** False when it is not there or cannot be read; what can be saved of a damaged one is. */
  async openDocument(id: string): Promise<boolean> {
    if (this.engine && id === this.document.id) return true;
    const release = await this.#claim(id);
    if (!release) {
      this.tell('open-elsewhere');
      return false;
    }
    try {
      const loaded = await this.#store.load(id);
      if (!loaded) {
        release();
        return false;
      }
      const { document, revision, lost } = restoreDocument(
        loaded.state as DocumentRecord,
        loaded.tiles as readonly TileRecord[],
        { salvage: true },
      );
      await this.#take(document, loaded.name, revision, revision, release);
      if (lost.length > 0) this.tell('restored-partly');
      return true;
    } catch (error) {
      release();
      this.error = toPlainError(error);
      return false;
    }
  }

  /** Two tabs must not save one document over each other. Undefined when another tab has it. */
  #claim(id: string): Promise<(() => void) | undefined> {
    return new Promise((resolve) => {
      const held = () => new Promise<void>((release) => resolve(release));
      navigator.locks
        .request(`sketchforge-document-${id}`, { signal: AbortSignal.timeout(CLAIM_MS) }, held)
        .catch(() => resolve(undefined));
    });
  }

  async renameDocument(id: string, name: string): Promise<void> {
    if (id === this.document.id) this.document = { id, name };
    await this.attempt(() => this.#store.rename(id, name));
    await this.listDocuments();
  }

  async deleteDocument(id: string, fresh: Size): Promise<void> {
    if (id === this.document.id) {
      this.autosave?.stop();
      this.autosave = undefined;
    }
    await this.attempt(() => this.#store.remove(id));
    await this.listDocuments();
    const [next] = this.documents;
    if (id !== this.document.id) return;
    if (!next || !(await this.openDocument(next.id))) await this.newDocument(fresh, '');
  }

  async listDocuments(): Promise<void> {
    await this.autosave?.flush();
    await this.attempt(async () => {
      this.documents = await this.#store.list();
    });
  }

  async #take(
    document: CanvasDocument,
    name: string,
    revision: number,
    saved: number,
    release: (() => void) | undefined,
  ): Promise<void> {
    await this.autosave?.flush();
    this.#release?.();
    this.#release = release;
    this.autosave?.stop();
    const penSeen = this.engine?.penSeen ?? (await this.settings.get('studio.penSeen')) === true;
    this.document = { id: document.id, name };
    const engine = this.adopt(document, revision, penSeen);
    this.autosave = new Autosave(this.#store, engine, () => this.document, saved);
    void this.settings.set('studio.document', document.id).catch(() => undefined);
  }

  protected tell(code: StudioNotice['code']): void {
    this.notice = { code, id: (this.notice?.id ?? 0) + 1 };
  }

  protected async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.error = toPlainError(error);
    }
  }
}
