/**
 * The sketching side of the page: one canvas engine, its layers and edits. Pointer events go straight to the engine;
 * reactive fields change only when something the interface shows changed. Tools are in `studio_tools`, documents in
 * `studio_documents`.
 */
import { toPlainError } from '../base/errors';
import type { BrushSettings } from '../canvas/brush/brush_settings';
import { brushPreset } from '../canvas/brush/presets';
import { CanvasEngine, type EngineUpdate } from '../canvas/canvas_engine';
import type { CanvasDocument } from '../canvas/document/document';
import { layerKind, type LayerKindId, type LayerPatch, type LayerProps } from '../canvas/document/layer';
import type { PixelImage as CanvasImage, Rgb } from '../canvas/document/pixels';
import type { Selection } from '../canvas/document/selection';
import type { EditorUpdate } from '../canvas/document_history';
import type { Affine } from '../canvas/geometry/affine';
import type { Point, Rect } from '../canvas/geometry/rect';
import type { Size, Viewport } from '../canvas/geometry/viewport';
import type { PointerInput } from '../canvas/gesture/gesture_types';
import type { ToolId } from '../canvas/tools/registry';
import type { PixelImage } from '../rpc/engine';
import { FlatPicture } from './flat_picture';
import { StudioDocuments } from './studio_documents.svelte';

export type { StudioNotice } from './studio_documents.svelte';
export type { SymmetryKind } from './studio_tools.svelte';
/** What a surface that shows the canvas is told. */
export type CanvasListener = (change: { readonly damage: readonly Rect[]; readonly viewChanged: boolean }) => void;

/** Seen on skin, fruit and leaves alike; red, as most programs have it, vanished on a red apple. */
const MASK_TINT: Rgb = [30, 110, 255];
const MASK_BRUSH: BrushSettings = { ...brushPreset('hard-round'), sizePx: 48 };
/** A tablet must leave memory to the model. */
const HISTORY_BYTES = { coarse: 1 << 27, fine: 1 << 30 };

export class StudioState extends StudioDocuments {
  /** How the Create page is used: by words, or by words and a sketch. */
  mode: 'prompt' | 'sketch' = $state('prompt');
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
  /** Box of the lifted pixels while a free transform is open. */
  transforming: Rect | undefined = $state.raw();
  readonly activeLayer = $derived(this.layers.find(({ id }) => id === this.activeLayerId));

  /** Not reactive: read by live painting's poll. */
  drawing = false;
  /** Told when the pen goes down or up, before its ink is painted; must return at once. */
  onPen: (() => void) | undefined;
  // Told many times a second; nothing on the page depends on who listens.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  readonly #listeners = new Set<CanvasListener>();
  #flat: FlatPicture | undefined;
  #committed = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paintLayerId = '';
  /** The brush on the other side: a mask wants a broad one, ink a fine one. */
  #otherBrush: BrushSettings = MASK_BRUSH;
  #onMask = false;

  useMode(mode: 'prompt' | 'sketch'): void {
    this.mode = mode;
    void this.settings.set('studio.mode', mode).catch(() => undefined);
  }

  /** Goes on in the mode of the last visit, or in the one that the address asks for (a shortcut of the app's icon). */
  async restoreMode(): Promise<void> {
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- read once, never shown
    if (new URLSearchParams(location.search).get('mode') === 'sketch') this.mode = 'sketch';
    else if ((await this.settings.get('studio.mode')) === 'sketch') this.mode = 'sketch';
  }

  /** A fresh engine for another document; the view, history and tools follow. */
  protected override adopt(document: CanvasDocument, revision: number, penSeen: boolean): CanvasEngine {
    const coarse = matchMedia('(pointer: coarse)').matches;
    const historyBytes = coarse ? HISTORY_BYTES.coarse : HISTORY_BYTES.fine;
    const engine = new CanvasEngine(document, { revision, historyBytes });
    engine.setPenSeen(penSeen);
    this.#flat = new FlatPicture(engine);
    this.transforming = undefined;
    this.drawing = false;
    this.onPen?.();
    this.#committed = engine.committedRevision;
    this.engine = engine;
    this.#readStructure();
    this.activeLayerId = this.layers.findLast(({ kind }) => layerKind(kind).inFlat)?.id ?? this.layers.at(-1)?.id ?? '';
    this.#paintLayerId = this.activeLayerId;
    this.#takeBrush();
    this.configure();
    this.#readHistory();
    return engine;
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
      if (code === 'pen-seen') void this.settings.set('studio.penSeen', true).catch(() => undefined);
      this.tell(code);
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
    if (input.type === 'down' && this.tool !== 'eraser') this.rememberColour();
    this.apply(this.engine.handlePointer(input));
  }

  listen(listener: CanvasListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  override useTool(tool: ToolId): void {
    if (this.transforming) this.endTransform();
    if (this.engine && this.drawing) this.apply(this.engine.cancelGestures());
    super.useTool(tool);
  }

  protected override configure(): void {
    const { engine } = this;
    if (!engine) return;
    engine.configure({
      ...this.toolSettings(engine.size, engine.settings.gestures),
      activeLayerId: this.activeLayerId,
    });
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
    const patch = kind === 'mask' ? { tint: MASK_TINT } : {};
    this.edit((engine) => engine.addLayer(kind, name, { id, index: above, patch }));
    this.selectLayer(id);
  }

  selectLayer(id: string): void {
    if (this.transforming) this.endTransform();
    this.activeLayerId = id;
    if (this.activeLayer && layerKind(this.activeLayer.kind).inFlat) this.#paintLayerId = id;
    this.#takeBrush();
    this.configure();
  }

  /** The brush of the side that the active layer is on. */
  #takeBrush(): void {
    const onMask = this.activeLayer?.kind === 'mask';
    if (onMask === this.#onMask) return;
    this.#onMask = onMask;
    [this.brush, this.#otherBrush] = [this.#otherBrush, this.brush];
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

  /** One layer alone on white paper, hidden or not, as control networks read it; undefined when there is none of that id. */
  layerPicture(id: string): PixelImage | undefined {
    if (!this.engine || !this.layers.some((layer) => layer.id === id)) return undefined;
    const { width: widthPx, height: heightPx, data } = this.engine.exportLayer(id);
    const rgba = new Uint8ClampedArray(data.length);
    for (let i = 0; i < data.length; i += 4) {
      const alpha = (data[i + 3] ?? 0) / 255;
      for (let c = 0; c < 3; c++) rgba[i + c] = 255 + alpha * ((data[i + c] ?? 0) - 255);
      rgba[i + 3] = 255;
    }
    return { widthPx, heightPx, rgba };
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
      this.#takeBrush();
      this.configure();
    }
  }

  #readHistory(): void {
    const history = this.engine?.historyState;
    this.canUndo = history?.canUndo ?? false;
    this.canRedo = history?.canRedo ?? false;
  }
}
