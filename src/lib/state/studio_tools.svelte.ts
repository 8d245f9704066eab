/** What the hand holds: tool, brush, eraser, colours, ruler, fill, and how fingers count. Knows no document. */
import { assertBrush, type BrushSettings } from '../canvas/brush/brush_settings';
import { brushPreset, type BrushPresetId } from '../canvas/brush/presets';
import type { SmoothingSettings } from '../canvas/brush/smoothing';
import type { Symmetry } from '../canvas/brush/symmetry';
import type { EngineSettings } from '../canvas/stroke_editor';
import type { Rgb } from '../canvas/document/pixels';
import { DEFAULT_GESTURES, type GestureSettings } from '../canvas/gesture/gesture_types';
import type { Size } from '../canvas/geometry/viewport';
import type { FillOptions } from '../canvas/tools/fill';
import type { ToolId } from '../canvas/tools/registry';
import type { SettingsStore } from '../storage/settings_store';

export type SymmetryKind = Symmetry['kind'];
export type FingerUse = GestureSettings['fingerDraws'];

/** Stabilisers by name: none, a light filter against jitter, a strong one, a brush on a string. */
export const STABILISERS = [
  { id: 'off', settings: { kind: 'none' } },
  { id: 'light', settings: { kind: 'one-euro', minCutoffHz: 8, beta: 0.02 } },
  { id: 'strong', settings: { kind: 'one-euro', minCutoffHz: 1.5, beta: 0.004 } },
  { id: 'string', settings: { kind: 'pulled-string', lengthPx: 24 } },
] as const satisfies readonly { readonly id: string; readonly settings: SmoothingSettings }[];

export type StabiliserId = (typeof STABILISERS)[number]['id'];

const RADIAL_COPIES = 6;
const COLOURS_KEPT = 12;
const INK: Rgb = [32, 30, 36];
const FILL: FillOptions = { tolerance: 16, closeGapPx: 0, growPx: 1, contiguous: true };

export abstract class StudioTools {
  tool: ToolId = $state('brush');
  presetId: BrushPresetId = $state('hard-round');
  brush: BrushSettings = $state.raw(brushPreset('hard-round'));
  eraser: BrushSettings = $state.raw({ ...brushPreset('hard-round'), sizePx: 32 });
  colour: Rgb = $state.raw(INK);
  colours: readonly Rgb[] = $state.raw([]);
  symmetry: SymmetryKind = $state('none');
  shapeFilled = $state(false);
  fill: FillOptions = $state.raw(FILL);
  /** What fill looks at: everything that shows, or the active layer alone. */
  fillFrom: EngineSettings['fillFrom'] = $state('view');
  leftHanded = $state(false);
  /** Whether keys without Ctrl are shortcuts: speech input and a cat on the keyboard press them by accident. */
  letterKeys = $state(true);
  fingers: FingerUse = $state(DEFAULT_GESTURES.fingerDraws);
  protected readonly settings: SettingsStore;

  constructor(settings: SettingsStore) {
    this.settings = settings;
  }

  /** Passes the settings on to the canvas. */
  protected abstract configure(): void;

  usePreset(id: BrushPresetId): void {
    this.presetId = id;
    this.brush = brushPreset(id);
    this.useTool('brush');
  }

  useTool(tool: ToolId): void {
    this.tool = tool;
    this.configure();
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
    this.configure();
  }

  /** The named stabiliser whose settings are the brush's; the nearest of its kind for others. */
  get stabiliser(): StabiliserId {
    const { smoothing } = this.inHand;
    const exact = STABILISERS.find(({ settings }) => JSON.stringify(settings) === JSON.stringify(smoothing));
    return exact?.id ?? STABILISERS.find(({ settings }) => settings.kind === smoothing.kind)?.id ?? 'off';
  }

  setStabiliser(id: StabiliserId): void {
    const found = STABILISERS.find((known) => known.id === id);
    if (found) this.adjust({ smoothing: found.settings });
  }

  setColour(colour: Rgb): void {
    this.colour = colour;
    this.configure();
  }

  setSymmetry(kind: SymmetryKind): void {
    this.symmetry = kind;
    this.configure();
  }

  setShapeFilled(filled: boolean): void {
    this.shapeFilled = filled;
    this.configure();
  }

  setFill(patch: Partial<FillOptions>): void {
    this.fill = { ...this.fill, ...patch };
    this.configure();
  }

  setFillFrom(from: EngineSettings['fillFrom']): void {
    this.fillFrom = from;
    this.configure();
  }

  setLeftHanded(leftHanded: boolean): void {
    this.leftHanded = leftHanded;
    this.configure();
    void this.settings.set('studio.leftHanded', leftHanded).catch(() => undefined);
  }

  setLetterKeys(letterKeys: boolean): void {
    this.letterKeys = letterKeys;
    void this.settings.set('studio.letterKeys', letterKeys).catch(() => undefined);
  }

  setFingers(fingers: FingerUse): void {
    this.fingers = fingers;
    this.configure();
    void this.settings.set('studio.fingers', fingers).catch(() => undefined);
  }

  /** How the hand was set up at the last visit. */
  async restoreHand(): Promise<void> {
    const [leftHanded, letterKeys, fingers] = await Promise.all([
      this.settings.get('studio.leftHanded'),
      this.settings.get('studio.letterKeys'),
      this.settings.get('studio.fingers'),
    ]);
    this.leftHanded = leftHanded === true;
    this.letterKeys = letterKeys !== false;
    if (fingers === 'always' || fingers === 'never') this.fingers = fingers;
  }

  /** The share of the engine's settings that is decided here, for a canvas of this size. */
  protected toolSettings(size: Size, gestures: GestureSettings): Partial<EngineSettings> {
    const centre = { x: size.width / 2, y: size.height / 2 };
    const symmetry: Symmetry =
      this.symmetry === 'none'
        ? { kind: 'none' }
        : this.symmetry === 'radial'
          ? { kind: 'radial', centre, count: RADIAL_COPIES, mirrored: true }
          : { kind: this.symmetry, centre };
    return {
      tool: this.tool,
      colour: this.colour,
      brush: this.brush,
      eraser: this.eraser,
      symmetry,
      shapeFilled: this.shapeFilled,
      fill: this.fill,
      fillFrom: this.fillFrom,
      gestures: { ...gestures, leftHanded: this.leftHanded, fingerDraws: this.fingers },
    };
  }

  protected rememberColour(): void {
    const { colour } = this;
    if (String(this.colours[0]) === String(colour)) return;
    const others = this.colours.filter((known) => String(known) !== String(colour));
    this.colours = [colour, ...others].slice(0, COLOURS_KEPT);
  }
}
