import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLEND_MODES, type BlendModeId } from '../../../../src/lib/canvas/document/blend_modes';
import { composite, compositePremultiplied } from '../../../../src/lib/canvas/document/composite';
import { createDocument, type DocumentShape, type Layer } from '../../../../src/lib/canvas/document/document';
import { createLayerProps, type LayerKindId } from '../../../../src/lib/canvas/document/layer';
import { div255, premultiply, unpremultiplyInPlace } from '../../../../src/lib/canvas/document/pixels';
import { sameBytes } from '../same_bytes';
import { TileMap, tileKeysIn } from '../../../../src/lib/canvas/tiles/tile';
import { TileEdit } from '../../../../src/lib/canvas/tiles/tile_edit';

/** The specification's formulas, written a second time from its text, channel by channel. */
type Rgb = [number, number, number];
const lum = (c: Rgb): number => 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2];
const sat = (c: Rgb): number => Math.max(...c) - Math.min(...c);
function clipColor(c: Rgb): Rgb {
  const l = lum(c);
  const n = Math.min(...c);
  const x = Math.max(...c);
  let out = c;
  if (n < 0) out = out.map((v) => l + ((v - l) * l) / (l - n)) as Rgb;
  if (x > 1) out = out.map((v) => l + ((v - l) * (1 - l)) / (x - l)) as Rgb;
  return out;
}
const setLum = (c: Rgb, l: number): Rgb => clipColor(c.map((v) => v + l - lum(c)) as Rgb);
function setSat(c: Rgb, s: number): Rgb {
  const order = [0, 1, 2].sort((a, b) => c[a]! - c[b]!) as [number, number, number];
  const out: Rgb = [0, 0, 0];
  if (c[order[2]]! > c[order[0]]!) {
    out[order[1]] = ((c[order[1]]! - c[order[0]]!) * s) / (c[order[2]]! - c[order[0]]!);
    out[order[2]] = s;
  }
  return out;
}
const per =
  (f: (cb: number, cs: number) => number) =>
  (b: Rgb, s: Rgb): Rgb => [f(b[0], s[0]), f(b[1], s[1]), f(b[2], s[2])];
const multiply = (b: number, s: number): number => b * s;
const screen = (b: number, s: number): number => b + s - b * s;
const hard = (b: number, s: number): number => (s <= 0.5 ? multiply(b, 2 * s) : screen(b, 2 * s - 1));
const TRUTH: Record<BlendModeId, (b: Rgb, s: Rgb) => Rgb> = {
  normal: (_b, s) => s,
  multiply: per(multiply),
  screen: per(screen),
  overlay: per((b, s) => hard(s, b)),
  darken: per(Math.min),
  lighten: per(Math.max),
  'color-dodge': per((b, s) => (b === 0 ? 0 : s === 1 ? 1 : Math.min(1, b / (1 - s)))),
  'color-burn': per((b, s) => (b === 1 ? 1 : s === 0 ? 0 : 1 - Math.min(1, (1 - b) / s))),
  'hard-light': per(hard),
  'soft-light': per((b, s) => {
    const d = b <= 0.25 ? ((16 * b - 12) * b + 4) * b : Math.sqrt(b);
    return s <= 0.5 ? b - (1 - 2 * s) * b * (1 - b) : b + (2 * s - 1) * (d - b);
  }),
  difference: per((b, s) => Math.abs(b - s)),
  exclusion: per((b, s) => b + s - 2 * b * s),
  hue: (b, s) => setLum(setSat(s, sat(b)), lum(b)),
  saturation: (b, s) => setLum(setSat(b, sat(s)), lum(b)),
  color: (b, s) => setLum(s, lum(b)),
  luminosity: (b, s) => setLum(b, lum(s)),
};

type Pixel = [number, number, number, number];

/** Premultiplied result of one layer over one backdrop, both given premultiplied 0..255. */
function truth(mode: BlendModeId, backdrop: Pixel, source: Pixel, opacity: number): number[] {
  const ab = backdrop[3] / 255;
  const as = (source[3] / 255) * opacity;
  const cb = (backdrop[3] ? backdrop.slice(0, 3).map((v) => v / backdrop[3]) : [0, 0, 0]) as Rgb;
  const cs = (source[3] ? source.slice(0, 3).map((v) => v / source[3]) : [0, 0, 0]) as Rgb;
  const mixed = TRUTH[mode](cb, cs);
  const co = [0, 1, 2].map((i) => as * (1 - ab) * cs[i]! + as * ab * mixed[i]! + (1 - as) * ab * cb[i]!);
  return [...co.map((v) => v * 255), (as + ab * (1 - as)) * 255];
}

function layerOf(pixels: Pixel[], mode: BlendModeId = 'normal', opacity = 1, kind: LayerKindId = 'paint'): Layer {
  const props = { ...createLayerProps(`l${Math.random()}`, kind, ''), blendMode: mode, opacity };
  const tiles = new TileMap();
  const edit = new TileEdit();
  edit.writeRegion(tiles, { x: 0, y: 0, width: pixels.length, height: 1 }, premultiply(Uint8Array.from(pixels.flat())));
  edit.commit();
  return { props, tiles };
}

function shapeOf(layers: Layer[], width: number, background?: [number, number, number]): DocumentShape {
  return { width, height: 1, background, layers, selection: undefined };
}

const byte = fc.integer({ min: 0, max: 255 });
const pixel = fc.tuple(byte, byte, byte, byte);

describe('pixels', () => {
  it('divides by 255 with exact rounding', () => {
    let wrong = 0;
    for (let x = 0; x <= 65535; x++) if (div255(x) !== Math.round(x / 255)) wrong++;
    expect(wrong).toBe(0);
  });

  it('straight pixels made from premultiplied ones go back to the same bytes', () => {
    fc.assert(
      fc.property(fc.array(pixel, { minLength: 1, maxLength: 30 }), (pixels) => {
        const stored = premultiply(Uint8Array.from(pixels.flat()));
        const again = premultiply(unpremultiplyInPlace(stored.slice()));
        // Colour below zero alpha is not kept.
        for (let i = 0; i < stored.length; i += 4) if (stored[i + 3] === 0) stored.fill(0, i, i + 4);
        expect(again).toEqual(stored);
      }),
    );
  });
});

describe('composite', () => {
  for (const { id } of BLEND_MODES) {
    it(`${id} follows the specification within half a level`, () => {
      fc.assert(
        fc.property(pixel, pixel, fc.double({ min: 0.05, max: 1, noNaN: true }), (below, above, opacity) => {
          const backdrop = [...premultiply(Uint8Array.from(below))] as Pixel;
          const source = [...premultiply(Uint8Array.from(above))] as Pixel;
          const got = compositePremultiplied(
            shapeOf([layerOf([below]), layerOf([above], id, opacity)], 1),
            { x: 0, y: 0, width: 1, height: 1 },
            'flat',
          );
          const want = truth(id, backdrop, source, opacity);
          for (let c = 0; c < 4; c++) expect(Math.abs(got[c]! - want[c]!)).toBeLessThanOrEqual(0.5001);
        }),
        { numRuns: 300 },
      );
    });
  }

  it('shows the background, leaves the outside of the document transparent, returns straight colour', () => {
    const shape = shapeOf([layerOf([[200, 100, 50, 128]])], 1, [10, 20, 30]);
    const out = composite(shape, { x: -1, y: 0, width: 3, height: 2 }, 'view');
    expect([...out.data.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
    expect(out.data[4 + 3]).toBe(255);
    expect([...out.data.subarray(8)]).toEqual(new Array(16).fill(0));
    const bare = composite(shapeOf([layerOf([[200, 100, 50, 128]])], 1), { x: 0, y: 0, width: 1, height: 1 }, 'view');
    expect([...bare.data]).toEqual([199, 100, 50, 128]);
  });

  it('a region equals the same part of the whole, across tiles', () => {
    const document = createDocument({ id: 'd', width: 600, height: 300 });
    const layer = document.shape.layers[0]!;
    const edit = new TileEdit();
    const whole = { x: 0, y: 0, width: 600, height: 300 };
    const noise = Uint8Array.from({ length: 600 * 300 * 4 }, (_, i) => (i * 2654435761) >>> 24);
    edit.writeRegion(layer.tiles, whole, premultiply(noise));
    edit.commit();
    const full = composite(document.shape, whole, 'view');
    const part = composite(document.shape, { x: 200, y: 100, width: 130, height: 180 }, 'view');
    for (let y = 0; y < 180; y++) {
      const from = ((y + 100) * 600 + 200) * 4;
      expect(sameBytes(part.data.subarray(y * 520, y * 520 + 520), full.data.subarray(from, from + 520))).toBe(true);
    }
    expect(tileKeysIn(whole)).toHaveLength(6);
  });

  it('flat leaves out masks, control and reference layers; the view tints masks', () => {
    const base = layerOf([[0, 0, 0, 255]]);
    const region = { x: 0, y: 0, width: 1, height: 1 };
    for (const kind of ['mask', 'control', 'reference'] as const) {
      const shape = shapeOf([base, layerOf([[9, 9, 9, 255]], 'normal', 1, kind)], 1);
      expect([...composite(shape, region, 'flat').data]).toEqual([0, 0, 0, 255]);
      const seen = [...composite(shape, region, 'view').data];
      expect(seen).toEqual(kind === 'mask' ? [255, 0, 0, 255] : [9, 9, 9, 255]);
    }
  });

  it('hidden layers do not show', () => {
    const layer = layerOf([[1, 2, 3, 255]], 'multiply', 0.2);
    const hidden = { ...layer, props: { ...layer.props, visible: false } };
    const region = { x: 0, y: 0, width: 1, height: 1 };
    expect([...composite(shapeOf([hidden], 1), region, 'view').data]).toEqual([0, 0, 0, 0]);
  });
});
