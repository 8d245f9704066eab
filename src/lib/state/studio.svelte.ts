/**
 * The sketching side of the page: one canvas engine, what its tools are set to, its documents. Pointer events go
 * straight to the engine; reactive fields change only when something the interface shows changed.
 */
import { toPlainError, type PlainError } from '../base/errors';
import { assertBrush, type BrushSettings } from '../canvas/brush/brush_settings';
import { brushPreset, type BrushPresetId } from '../canvas/brush/presets';
import type { Symmetry } from '../canvas/brush/symmetry';
import { CanvasEngine, type EngineNotice, type EngineSettings, type EngineUpdate } from '../canvas/canvas_engine';
import { createDocument, type CanvasDocument } from '../canvas/document/document';
import {
  createLayerProps,
  layerKind,
  type LayerKindId,
  type LayerPatch,
  type LayerProps,
} from '../canvas/document/layer';
import type { PixelImage as CanvasImage, Rgb } from '../canvas/document/pixels';
import type { Selection } from '../canvas/document/selection';
import type { EditorUpdate } from '../canvas/document_editor';
import type { Affine } from '../canvas/geometry/affine';
import type { Point, Rect } from '../canvas/geometry/rect';
import type { Size, Viewport } from '../canvas/geometry/viewport';
import type { PointerInput } from '../canvas/gesture/gesture_types';
import { restoreDocument, type DocumentRecord, type TileRecord } from '../canvas/serial/records';
import type { ToolId } from '../canvas/tools/registry';
import type { PixelImage } from '../rpc/engine';
import { DocumentStore, type DocumentEntry } from '../storage/document_store';
import type { Database } from '../storage/database';
import type { SettingsStore } from '../storage/settings_store';
import { Autosave } from './autosave.svelte';
import { FlatPicture } from './flat_picture';

export type SymmetryKind = Symmetry['kind'];
/** What a surface that shows the canvas is told. */
export type CanvasListener = (change: { readonly damage: readonly Rect[]; readonly viewChanged: boolean }) => void;

export interface StudioNotice {
  readonly code: EngineNotice | 'restored-partly' | 'open-elsewhere';
  readonly id: number;
}

const RADIAL_COPIES = 6;
const COLOURS_KEPT = 12;
const INK: Rgb = [32, 30, 36];
/** How long the page that is going away (a reload) may hold its document. */
const CLAIM_MS = 1500;
const PAPER: Rgb = [255, 255, 255];
/** A tablet must leave memory to the model. */
const HISTORY_BYTES = { coarse: 1 << 27, fine: 1 << 30 };

export class StudioState {
  /** How the Create page is used: by words, or by words and a sketch. */
  mode: 'prompt' | 'sketch' = $state('prompt');
  engine: CanvasEngine | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  document: { readonly id: string; readonly name: string } = $state.raw({ id: '', name: '' });
  documents: readonly DocumentEntry[] = $state.raw([]);
  autosave: Autosave | undefined = $state.raw();

  tool: ToolId = $state('brush');
  presetId: BrushPresetId = $state('hard-round');
  brush: BrushSettings = $state.raw(brushPreset('hard-round'));
  eraser: BrushSettings = $state.raw({ ...brushPreset('hard-round'), sizePx: 32 });
  colour: Rgb = $state.raw(INK);
  colours: readonly Rgb[] = $state.raw([]);
  symmetry: SymmetryKind = $state('none');
  shapeFilled = $state(false);
  leftHanded = $state(false);

  layers: readonly LayerProps[] = $state.raw([]);
  activeLayerId = $state('');
  canUndo = $state(false);
  canRedo = $state(false);
  selection: Selection | undefined = $state.raw();
  outline: readonly Point[] | undefined = $state.raw();
  view: Viewport | undefined = $state.raw();
  size: Size = $state.raw({ width: 0, height: 0 });
  /** Counts finished edits: thumbnails follow it. */
  edits = $state(0);
  picking: { readonly colour: Rgb | undefined; readonly at: Point } | undefined = $state.raw();
  notice: StudioNotice | undefined = $state.raw();
  /** Box of the lifted pixels while a free transform is open. */
  transforming: Rect | undefined = $state.raw();
  readonly activeLayer = $derived(this.layers.find(({ id }) => id === this.activeLayerId));

  /** Not reactive: read by live painting's poll. */
  drawing = false;
  /** Told when the pen goes down or up, before its ink is painted; must return at once. */
  onPen: (() => void) | undefined;
  readonly #store: DocumentStore;
  readonly #settings: SettingsStore;
  // Told many times a second; nothing on the page depends on who listens.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  readonly #listeners = new Set<CanvasListener>();
  #flat: FlatPicture | undefined;
  #committed = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paintLayerId = '';
  #opening: Promise<void> | undefined;
  #release: (() => void) | undefined;

  constructor(database: () => Promise<Database>, settings: SettingsStore) {
    this.#store = new DocumentStore(database);
    this.#settings = settings;
  }

  useMode(mode: 'prompt' | 'sketch'): void {
    this.mode = mode;
    void this.#settings.set('studio.mode', mode).catch(() => undefined);
  }

  /** Goes on in the mode of the last visit. */
  async restoreMode(): Promise<void> {
    if ((await this.#settings.get('studio.mode')) === 'sketch') this.mode = 'sketch';
  }

  // --- Documents

  /** Opens the document of the last visit, or a new one. Safe to call again. */
  open(fresh: Size): Promise<void> {
    this.#opening ??= this.#openLast(fresh);
    return this.#opening;
  }

  async #openLast(fresh: Size): Promise<void> {
    const [last, leftHanded] = await Promise.all([
      this.#settings.get('studio.document'),
      this.#settings.get('studio.leftHanded'),
    ]);
    this.leftHanded = leftHanded === true;
    if (typeof last === 'string' && (await this.openDocument(last))) return;
    await this.newDocument(fresh, '');
  }

  async newDocument(size: Size, name: string): Promise<void> {
    const id = crypto.randomUUID();
    const layers = [createLayerProps('layer-1', 'paint', '')];
    const document = createDocument({ id, ...size, background: PAPER, layers });
    await this.#use(document, name, 0, -1, await this.#claim(id));
  }

  /** False when it is not there or cannot be read; what can be saved of a damaged one is. */
  async openDocument(id: string): Promise<boolean> {
    if (this.engine && id === this.document.id) return true;
    const release = await this.#claim(id);
    if (!release) {
      this.#tell('open-elsewhere');
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
      await this.#use(document, loaded.name, revision, revision, release);
      if (lost.length > 0) this.#tell('restored-partly');
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
    await this.#attempt(() => this.#store.rename(id, name));
    await this.listDocuments();
  }

  async deleteDocument(id: string, fresh: Size): Promise<void> {
    if (id === this.document.id) {
      this.autosave?.stop();
      this.autosave = undefined;
    }
    await this.#attempt(() => this.#store.remove(id));
    await this.listDocuments();
    const [next] = this.documents;
    if (id !== this.document.id) return;
    if (!next || !(await this.openDocument(next.id))) await this.newDocument(fresh, '');
  }

  async listDocuments(): Promise<void> {
    await this.autosave?.flush();
    await this.#attempt(async () => {
      this.documents = await this.#store.list();
    });
  }

  async #use(
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
    const coarse = matchMedia('(pointer: coarse)').matches;
    const before = this.engine;
    const engine = new CanvasEngine(document, {
      revision,
      historyBytes: coarse ? HISTORY_BYTES.coarse : HISTORY_BYTES.fine,
    });
    engine.setPenSeen(before?.penSeen ?? (await this.#settings.get('studio.penSeen')) === true);
    this.document = { id: document.id, name };
    this.#flat = new FlatPicture(engine);
    this.transforming = undefined;
    this.#committed = engine.committedRevision;
    this.autosave = new Autosave(this.#store, engine, () => this.document, saved);
    this.engine = engine;
    this.#readStructure();
    this.activeLayerId = this.layers.findLast(({ kind }) => layerKind(kind).inFlat)?.id ?? this.layers.at(-1)?.id ?? '';
    this.#paintLayerId = this.activeLayerId;
    this.#configure();
    this.#readHistory();
    void this.#settings.set('studio.document', document.id).catch(() => undefined);
  }

  // --- What every engine call returns comes through here

  apply(update: EngineUpdate | EditorUpdate): void {
    const { engine } = this;
    if (!engine) return;
    this.#flat?.damage(update.damage);
    const viewChanged = 'viewChanged' in update && update.viewChanged;
    if (update.damage.length > 0 || viewChanged) {
      for (const listener of this.#listeners) listener({ damage: update.damage, viewChanged });
    }
    if (viewChanged) this.view = engine.viewport;
    if (update.structureChanged) this.#readStructure();
    if ('notices' in update) this.#follow(update);
    if (engine.committedRevision !== this.#committed) {
      this.#committed = engine.committedRevision;
      this.edits++;
      this.#readHistory();
      this.autosave?.touch(performance.now());
    }
  }

  #follow(update: EngineUpdate): void {
    if (this.drawing !== update.strokeActive) {
      this.drawing = update.strokeActive;
      this.onPen?.();
    }
    if (this.outline !== update.outline && (update.outline || !update.strokeActive)) this.outline = update.outline;
    if (update.picked) {
      const { colour, at, final } = update.picked;
      this.picking = final ? undefined : { colour, at };
      if (final && colour) this.setColour(colour);
    } else if (!update.strokeActive && this.picking && update.deadline === undefined) this.picking = undefined;
    for (const code of update.notices) {
      if (code === 'pen-seen') void this.#settings.set('studio.penSeen', true).catch(() => undefined);
      this.#tell(code);
    }
    clearTimeout(this.#timer);
    if (update.deadline !== undefined) {
      this.#timer = setTimeout(
        () => {
          if (this.engine) this.apply(this.engine.tick(performance.now()));
        },
        Math.max(0, update.deadline - performance.now()),
      );
    }
  }

  pointer(input: PointerInput): void {
    if (!this.engine || this.transforming) return;
    if (input.type === 'down' && this.tool !== 'eraser') this.#rememberColour();
    this.apply(this.engine.handlePointer(input));
  }

  listen(listener: CanvasListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // --- Tools

  useTool(tool: ToolId): void {
    if (this.transforming) this.endTransform();
    if (this.engine && this.drawing) this.apply(this.engine.cancelGestures());
    this.tool = tool;
    this.#configure();
  }

  usePreset(id: BrushPresetId): void {
    this.presetId = id;
    this.brush = brushPreset(id);
    this.useTool('brush');
  }

  /** Size and opacity of the brush in hand: the eraser's when it erases. */
  get inHand(): BrushSettings {
    return this.tool === 'eraser' ? this.eraser : this.brush;
  }

  adjust(patch: Partial<BrushSettings>): void {
    const next = { ...this.inHand, ...patch };
    assertBrush(next);
    if (this.tool === 'eraser') this.eraser = next;
    else this.brush = next;
    this.#configure();
  }

  setColour(colour: Rgb): void {
    this.colour = colour;
    this.#configure();
  }

  setSymmetry(kind: SymmetryKind): void {
    this.symmetry = kind;
    this.#configure();
  }

  setShapeFilled(filled: boolean): void {
    this.shapeFilled = filled;
    this.#configure();
  }

  setLeftHanded(leftHanded: boolean): void {
    this.leftHanded = leftHanded;
    this.#configure();
    void this.#settings.set('studio.leftHanded', leftHanded).catch(() => undefined);
  }

  #configure(): void {
    const { engine } = this;
    if (!engine) return;
    const centre = { x: engine.size.width / 2, y: engine.size.height / 2 };
    const symmetry: Symmetry =
      this.symmetry === 'none'
        ? { kind: 'none' }
        : this.symmetry === 'radial'
          ? { kind: 'radial', centre, count: RADIAL_COPIES, mirrored: true }
          : { kind: this.symmetry, centre };
    const patch: Partial<EngineSettings> = {
      tool: this.tool,
      activeLayerId: this.activeLayerId,
      colour: this.colour,
      brush: this.brush,
      eraser: this.eraser,
      symmetry,
      shapeFilled: this.shapeFilled,
      gestures: { ...engine.settings.gestures, leftHanded: this.leftHanded },
    };
    engine.configure(patch);
  }

  #rememberColour(): void {
    const { colour } = this;
    if (String(this.colours[0]) === String(colour)) return;
    const others = this.colours.filter((known) => String(known) !== String(colour));
    this.colours = [colour, ...others].slice(0, COLOURS_KEPT);
  }

  // --- Edits

  /** Runs an engine call and shows what it changed; refusals (locked layers…) become `error`. */
  edit(action: (engine: CanvasEngine) => EditorUpdate | EngineUpdate): void {
    if (!this.engine) return;
    try {
      this.apply(action(this.engine));
    } catch (error) {
      this.error = toPlainError(error);
    }
  }

  undo(): void {
    if (this.transforming) this.cancelTransform();
    else this.edit((engine) => engine.undo());
  }

  redo(): void {
    this.edit((engine) => engine.redo());
  }

  addLayer(kind: LayerKindId, name: string): void {
    const above = this.layers.findIndex(({ id }) => id === this.activeLayerId) + 1;
    const id = `layer-${crypto.randomUUID()}`;
    this.edit((engine) => engine.addLayer(kind, name, { id, index: above }));
    this.selectLayer(id);
  }

  selectLayer(id: string): void {
    if (this.transforming) this.endTransform();
    this.activeLayerId = id;
    if (this.activeLayer && layerKind(this.activeLayer.kind).inFlat) this.#paintLayerId = id;
    this.#configure();
  }

  patchLayer(id: string, patch: LayerPatch, gesture?: string): void {
    this.edit((engine) => engine.patchLayer(id, patch, gesture));
  }

  /** Puts a picture of the document's coordinates on a layer of its own. */
  addPicture(name: string, image: CanvasImage, at: Point, kind: LayerKindId = 'paint'): void {
    this.addLayer(kind, name);
    this.edit((engine) => engine.putImage(this.activeLayerId, image, at));
  }

  /** Switches between the mask (made when there is none) and the layer painted on before. */
  toggleMask(name: string): void {
    if (this.activeLayer?.kind === 'mask') {
      const back = this.layers.find(({ id }) => id === this.#paintLayerId) ?? this.layers[0];
      if (back) this.selectLayer(back.id);
      return;
    }
    const mask = this.layers.findLast(({ kind }) => kind === 'mask');
    if (mask) {
      if (!mask.visible) this.patchLayer(mask.id, { visible: true });
      this.selectLayer(mask.id);
    } else {
      const top = this.layers.at(-1);
      const before = this.#paintLayerId;
      if (top) this.activeLayerId = top.id;
      this.addLayer('mask', name);
      this.#paintLayerId = before;
    }
    if (this.tool !== 'eraser') this.useTool('brush');
  }

  beginTransform(): void {
    if (!this.engine || this.transforming) return;
    try {
      const box = this.engine.beginTransform(this.activeLayerId);
      if (box.width === 0) this.engine.cancelWork();
      else this.transforming = box;
    } catch (error) {
      this.error = toPlainError(error);
    }
  }

  updateTransform(matrix: Affine): void {
    this.edit((engine) => engine.updateTransform(matrix));
  }

  endTransform(): void {
    this.transforming = undefined;
    this.edit((engine) => engine.endTransform());
  }

  cancelTransform(): void {
    this.transforming = undefined;
    this.edit((engine) => engine.cancelWork());
  }

  // --- For generations

  /** Paint and sketch layers on the background, as img2img sees them. */
  flatPicture(): PixelImage | undefined {
    return this.#flat?.read();
  }

  /** Visible masks together, white where repainted; undefined when nothing is masked. */
  mask(): PixelImage | undefined {
    const { engine } = this;
    if (!engine) return undefined;
    const { width, height } = engine.size;
    let rgba: Uint8ClampedArray<ArrayBuffer> | undefined;
    for (const { id, kind, visible } of this.layers) {
      if (kind !== 'mask' || !visible) continue;
      const { data } = engine.exportMask(id);
      for (let i = 0; i < data.length; i++) {
        const value = data[i] ?? 0;
        if (value === 0) continue;
        rgba ??= new Uint8ClampedArray(4 * width * height);
        if ((rgba[4 * i + 3] ?? 0) >= value) continue;
        rgba.fill(255, 4 * i, 4 * i + 3);
        rgba[4 * i + 3] = value;
      }
    }
    return rgba && { widthPx: width, heightPx: height, rgba };
  }

  /** Nothing was ever drawn. */
  get blank(): boolean {
    return this.engine === undefined || this.engine.changedTilesSince(-1).tiles.length === 0;
  }

  #readStructure(): void {
    const { engine } = this;
    if (!engine) return;
    this.layers = engine.layers();
    this.selection = engine.selection;
    this.size = engine.size;
    this.view = engine.viewport;
    if (!this.layers.some(({ id }) => id === this.activeLayerId)) {
      this.activeLayerId = this.layers.at(-1)?.id ?? '';
      this.#configure();
    }
  }

  #readHistory(): void {
    const history = this.engine?.historyState;
    this.canUndo = history?.canUndo ?? false;
    this.canRedo = history?.canRedo ?? false;
  }

  #tell(code: StudioNotice['code']): void {
    this.notice = { code, id: (this.notice?.id ?? 0) + 1 };
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.error = toPlainError(error);
    }
  }
}
