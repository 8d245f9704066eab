/** A small document, strokes on it, and random edits of every kind, for tests of the engine. */
import fc from 'fast-check';
import { CanvasEngine } from '../../../src/lib/canvas/canvas_engine';
import { BRUSH_PRESETS } from '../../../src/lib/canvas/brush/presets';
import type { StrokeSample } from '../../../src/lib/canvas/brush/sample';
import { createDocument } from '../../../src/lib/canvas/document/document';
import { createLayerProps } from '../../../src/lib/canvas/document/layer';
import { scaleRotateAbout } from '../../../src/lib/canvas/geometry/affine';
import type { ToolId } from '../../../src/lib/canvas/tools/registry';

export const SIZE = { width: 300, height: 280 };

export function newEngine(historyBytes?: number): CanvasEngine {
  const layers = [createLayerProps('base', 'paint', 'Base'), createLayerProps('mask', 'mask', 'Mask')];
  return new CanvasEngine(createDocument({ id: 'd', ...SIZE, layers, background: [255, 255, 255] }), { historyBytes });
}

export const at = (x: number, y: number, t = 0): StrokeSample => ({ t, x, y, pressure: 1, tiltX: 0, tiltY: 0 });

export function stroke(engine: CanvasEngine, points: readonly (readonly [number, number])[]): void {
  engine.beginStroke(at(...points[0]!));
  points.slice(1).forEach(([x, y], i) => engine.extendStroke([at(x, y, (i + 1) * 4)], [at(x + 30, y + 30)]));
  engine.endStroke();
}

/** Everything that undo must restore. */
export function snapshot(engine: CanvasEngine): string {
  const pixels = engine.layers().map(({ id }) => Buffer.from(engine.exportLayer(id).data.buffer).toString('base64'));
  const selection = engine.selection && [engine.selection.rect, Buffer.from(engine.selection.mask).toString('base64')];
  return JSON.stringify([engine.layers(), engine.size, engine.background, selection, pixels]);
}

type Command = (engine: CanvasEngine) => void;

const coordinate = fc.integer({ min: -20, max: 320 });
const point = fc.tuple(coordinate, coordinate);
/** Every kind of edit, at random: what undo and saving must hold for. */
export const edits: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      fc.constantFrom<ToolId>(
        'brush',
        'eraser',
        'line',
        'rect',
        'ellipse',
        'fill',
        'move',
        'select-rect',
        'select-lasso',
        'pick',
      ),
      fc.array(point, { minLength: 2, maxLength: 6 }),
      fc.constantFrom(...BRUSH_PRESETS),
      fc.constantFrom<[number, number, number]>([255, 0, 0], [0, 128, 255], [10, 10, 10]),
      fc.nat(3),
      fc.boolean(),
    )
    .map(([tool, points, preset, colour, layer, filled]) => (engine: CanvasEngine) => {
      const layers = engine.layers();
      const activeLayerId = layers[layer % Math.max(1, layers.length)]?.id ?? '';
      engine.configure({
        tool,
        brush: preset.settings,
        eraser: preset.settings,
        colour,
        activeLayerId,
        shapeFilled: filled,
        symmetry: filled ? { kind: 'vertical', centre: { x: 150, y: 140 } } : { kind: 'none' },
      });
      stroke(engine, points);
    }),
  fc.constant<Command>((engine) => void engine.addLayer('sketch', 'x')),
  fc.nat(5).map((i) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (layer) engine.removeLayer(layer.id);
  }),
  fc.tuple(fc.nat(5), fc.nat(5)).map(([i, to]) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (layer) engine.moveLayer(layer.id, to);
  }),
  fc
    .tuple(fc.nat(5), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean())
    .map(([i, opacity, flag]) => (engine: CanvasEngine) => {
      const layer = engine.layers()[i];
      if (layer)
        engine.patchLayer(
          layer.id,
          { opacity, alphaLocked: flag, blendMode: flag ? 'multiply' : 'hue' },
          flag ? 'drag' : undefined,
        );
    }),
  fc.nat(5).map((i) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (layer && engine.layers().length < 6) engine.duplicateLayer(layer.id, 'copy');
  }),
  fc.nat(5).map((i) => (engine: CanvasEngine) => {
    const layers = engine.layers();
    const upper = layers[i];
    const lower = layers[i - 1];
    if (upper && lower && (upper.kind === 'mask') === (lower.kind === 'mask')) engine.mergeDown(upper.id);
  }),
  fc.tuple(point, fc.integer({ min: 100, max: 330 })).map(([[x, y], side]) => (engine: CanvasEngine) => {
    engine.resizeCanvas({ x, y, width: side, height: side });
  }),
  fc.tuple(fc.nat(5), fc.double({ min: 0.4, max: 1.6, noNaN: true })).map(([i, scale]) => (engine: CanvasEngine) => {
    const layer = engine.layers()[i];
    if (!layer) return;
    engine.beginTransform(layer.id);
    engine.updateTransform(scaleRotateAbout({ x: 100, y: 100 }, { scaleX: scale, scaleY: scale, radians: 1 }));
    engine.updateTransform(scaleRotateAbout({ x: 120, y: 90 }, { scaleX: scale, scaleY: 1, radians: 0.3 }));
    engine.endTransform();
  }),
  fc.constant<Command>((engine) => void engine.invertSelection()),
  fc.constant<Command>((engine) => void engine.featherSelection(3)),
];
