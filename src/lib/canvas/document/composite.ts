/**
 * Flattening of layers, region by region, in plain typed arrays.
 * Formula (W3C Compositing Level 1, 5.1 and 9.1.4), premultiplied, source over:
 *   co = cs·αs·(1−αb) + cb·αb·(1−αs) + αs·αb·B(cb, cs),   αo = αs + αb·(1−αs)
 * Each layer is rounded to 8 bits once, as browsers do.
 */
import { intersectRect, type Rect } from '../geometry/rect';
import { TILE_SIZE, tileKeysIn, tileRect } from '../tiles/tile';
import { blendModeById, type BlendMode } from './blend_modes';
import { documentRect, type DocumentShape, type Layer } from './document';
import { layerKind } from './layer';
import { unpremultiplyInPlace, type OwnedImage, type Rgb } from './pixels';

/**
 * `view`: what the painter sees (all visible layers, masks as a wash). `flat`: the picture (paint and sketch only).
 */
export type CompositePurpose = 'view' | 'flat';

/**
 * Flattens a region of the visible layers.
 * @param region whole pixels; the part outside the document stays transparent
 * @returns straight RGBA8, `region.width * region.height * 4` bytes
 */
export function composite(shape: DocumentShape, region: Rect, purpose: CompositePurpose): OwnedImage {
  const pixels = compositePremultiplied(shape, region, purpose);
  return { width: region.width, height: region.height, data: unpremultiplyInPlace(pixels) };
}

/** As `composite`, premultiplied. */
export function compositePremultiplied(
  shape: DocumentShape,
  region: Rect,
  purpose: CompositePurpose,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(region.width * region.height * 4);
  const inside = intersectRect(region, documentRect(shape));
  if (shape.background) fillBackground(out, region, inside, shape.background);
  for (const layer of shape.layers) {
    if (isComposited(layer, purpose)) blendLayer(out, region, inside, layer);
  }
  return out;
}

function isComposited(layer: Layer, purpose: CompositePurpose): boolean {
  const { visible, opacity, kind } = layer.props;
  return visible && opacity > 0 && (purpose === 'view' || layerKind(kind).inFlat);
}

function fillBackground(out: Uint8Array, region: Rect, inside: Rect, [r, g, b]: Rgb): void {
  for (let y = inside.y; y < inside.y + inside.height; y++) {
    let o = ((y - region.y) * region.width + (inside.x - region.x)) * 4;
    for (let x = 0; x < inside.width; x++, o += 4) {
      out[o] = r;
      out[o + 1] = g;
      out[o + 2] = b;
      out[o + 3] = 255;
    }
  }
}

function blendLayer(out: Uint8Array, region: Rect, inside: Rect, layer: Layer): void {
  const { props, tiles } = layer;
  const mode = blendModeById(props.blendMode);
  const tint = layerKind(props.kind).tinted ? props.tint : undefined;
  for (const key of tileKeysIn(inside)) {
    const tile = tiles.get(key);
    if (!tile) continue;
    const box = tileRect(key);
    const part = intersectRect(box, inside);
    for (let y = part.y; y < part.y + part.height; y++) {
      let source = tile.bytes;
      let from = ((y - box.y) * TILE_SIZE + (part.x - box.x)) * 4;
      if (tint) {
        source = tintRow(source, from, part.width, tint);
        from = 0;
      }
      const to = ((y - region.y) * region.width + (part.x - region.x)) * 4;
      if (mode.id === 'normal') normalRow(out, to, source, from, part.width, props.opacity);
      else blendRow(out, to, source, from, part.width, props.opacity, mode);
    }
  }
}

const tintedRow = new Uint8Array(TILE_SIZE * 4);

/** Replaces the colour of a row of mask pixels by the wash colour, keeping alpha. */
function tintRow(source: Uint8Array, from: number, count: number, tint: Rgb): Uint8Array<ArrayBuffer> {
  for (let i = 0; i < count * 4; i += 4) {
    const alpha = source[from + i + 3] as number;
    tintedRow[i] = Math.round((tint[0] * alpha) / 255);
    tintedRow[i + 1] = Math.round((tint[1] * alpha) / 255);
    tintedRow[i + 2] = Math.round((tint[2] * alpha) / 255);
    tintedRow[i + 3] = alpha;
  }
  return tintedRow;
}

/** Source over for one row, one rounding per channel. */
function normalRow(
  out: Uint8Array,
  to: number,
  source: Uint8Array,
  from: number,
  count: number,
  opacity: number,
): void {
  const alphaScale = opacity / 255;
  for (let i = 0; i < count; i++, to += 4, from += 4) {
    const alpha = source[from + 3] as number;
    if (alpha === 0) continue;
    if (alpha === 255 && opacity === 1) {
      out[to] = source[from] as number;
      out[to + 1] = source[from + 1] as number;
      out[to + 2] = source[from + 2] as number;
      out[to + 3] = 255;
      continue;
    }
    const keep = 1 - alpha * alphaScale;
    out[to] = (source[from] as number) * opacity + (out[to] as number) * keep + 0.5;
    out[to + 1] = (source[from + 1] as number) * opacity + (out[to + 1] as number) * keep + 0.5;
    out[to + 2] = (source[from + 2] as number) * opacity + (out[to + 2] as number) * keep + 0.5;
    out[to + 3] = alpha * opacity + (out[to + 3] as number) * keep + 0.5;
  }
}

const backdropRgb = new Float64Array(3);
const sourceRgb = new Float64Array(3);
const blendedRgb = new Float64Array(3);

/** Any blend mode for one row, in floats. */
function blendRow(
  out: Uint8Array,
  to: number,
  source: Uint8Array,
  from: number,
  count: number,
  opacity: number,
  mode: BlendMode,
): void {
  for (let i = 0; i < count; i++, to += 4, from += 4) {
    const sourceAlpha = source[from + 3] as number;
    if (sourceAlpha === 0) continue;
    const backdropAlpha = out[to + 3] as number;
    const alphaS = (sourceAlpha / 255) * opacity;
    const alphaB = backdropAlpha / 255;
    for (let c = 0; c < 3; c++) {
      sourceRgb[c] = Math.min(1, (source[from + c] as number) / sourceAlpha);
      backdropRgb[c] = backdropAlpha === 0 ? 0 : Math.min(1, (out[to + c] as number) / backdropAlpha);
    }
    if ('blendRgb' in mode) {
      mode.blendRgb(backdropRgb, sourceRgb, blendedRgb);
    } else {
      for (let c = 0; c < 3; c++) blendedRgb[c] = mode.blend(backdropRgb[c] as number, sourceRgb[c] as number);
    }
    for (let c = 0; c < 3; c++) {
      const mixed =
        (sourceRgb[c] as number) * alphaS * (1 - alphaB) +
        (backdropRgb[c] as number) * alphaB * (1 - alphaS) +
        alphaS * alphaB * (blendedRgb[c] as number);
      out[to + c] = Math.round(Math.min(1, Math.max(0, mixed)) * 255);
    }
    out[to + 3] = Math.round((alphaS + alphaB * (1 - alphaS)) * 255);
  }
}
