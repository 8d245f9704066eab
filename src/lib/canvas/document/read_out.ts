/** What leaves a document as pixels: one layer alone, a mask, a small picture. Pure; history and saving are elsewhere. */
import { roundOutRect, type Rect } from '../geometry/rect';
import { readRegion } from '../tiles/tile';
import { shrink } from '../tools/resample';
import { gaussianBlur } from './blur';
import { composite, compositePremultiplied } from './composite';
import { documentRect, layerById, type DocumentShape } from './document';
import { unpremultiplyInPlace, type OwnedImage } from './pixels';

export interface MaskImage {
  readonly width: number;
  readonly height: number;
  /** One byte a pixel, 255 = painted. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The same document with one layer at full opacity and nothing else. @throws AppError `canvas/unknown-layer` */
function aloneShape(shape: DocumentShape, id: string): DocumentShape {
  const { props, tiles } = layerById(shape, id);
  const alone = { ...props, opacity: 1, blendMode: 'normal', visible: true, kind: 'paint' } as const;
  return { ...shape, background: undefined, layers: [{ props: alone, tiles }] };
}

/** One layer at full opacity, hidden or not; straight RGBA8. @throws AppError `canvas/unknown-layer` */
export function readLayer(shape: DocumentShape, id: string, region: Rect): OwnedImage {
  return composite(aloneShape(shape, id), roundOutRect(region), 'view');
}

/**
 * A layer's alpha, softened by a gaussian.
 * @param featherPx standard deviation in document pixels; default the layer's own
 * @throws AppError `canvas/unknown-layer`
 */
export function readMask(
  shape: DocumentShape,
  id: string,
  { featherPx, invert = false }: { readonly featherPx?: number; readonly invert?: boolean } = {},
): MaskImage {
  const layer = layerById(shape, id);
  const { width, height } = shape;
  const pixels = readRegion(layer.tiles, documentRect(shape));
  const alpha = Uint8Array.from({ length: width * height }, (_, i) => pixels[i * 4 + 3] as number);
  const sigma = featherPx ?? layer.props.featherPx;
  const soft = sigma > 0 ? gaussianBlur(alpha, width, height, sigma) : alpha;
  return { width, height, data: Uint8Array.from(soft, (v) => (invert ? 255 - Math.round(v) : Math.round(v))) };
}

/** A small picture of a layer, or of the whole view; the longer side has `maxSidePx`, or less for small documents. */
export function readThumbnail(document: DocumentShape, id: string | undefined, maxSidePx: number): OwnedImage {
  const shape = id === undefined ? document : aloneShape(document, id);
  const rect = documentRect(shape);
  const scale = Math.min(1, maxSidePx / Math.max(rect.width, rect.height));
  const width = Math.max(1, Math.round(rect.width * scale));
  const height = Math.max(1, Math.round(rect.height * scale));
  const pixels = shrink({ rect, pixels: compositePremultiplied(shape, rect, 'view') }, width, height);
  return { width, height, data: unpremultiplyInPlace(pixels) };
}
