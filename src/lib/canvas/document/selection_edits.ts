/** Selections made from selections: softened, moved. Pure. */
import type { Affine } from '../geometry/affine';
import { expandRect, intersectRect, isEmptyRect } from '../geometry/rect';
import { resample } from '../tools/resample';
import { gaussianBlur } from './blur';
import { documentRect, type DocumentShape } from './document';
import { trimSelection, type Selection } from './selection';

/** Softens the edge by a gaussian; `sigmaPx` > 0, document pixels. */
export function featherSelection(shape: DocumentShape, selection: Selection, sigmaPx: number): Selection {
  const rect = intersectRect(expandRect(selection.rect, Math.ceil(3 * sigmaPx)), documentRect(shape));
  const plane = new Uint8Array(rect.width * rect.height);
  for (let y = 0; y < selection.rect.height; y++) {
    const from = y * selection.rect.width;
    const to = (y + selection.rect.y - rect.y) * rect.width + (selection.rect.x - rect.x);
    plane.set(selection.mask.subarray(from, from + selection.rect.width), to);
  }
  const soft = gaussianBlur(plane, rect.width, rect.height, sigmaPx);
  return { rect, mask: Uint8Array.from(soft, (value) => Math.round(value)) };
}

/** The selection where a transform took it; undefined when nothing of it is left inside the document. */
export function moveSelection(shape: DocumentShape, { rect, mask }: Selection, matrix: Affine): Selection | undefined {
  const pixels = new Uint8Array(mask.length * 4);
  for (let i = 0; i < mask.length; i++) pixels[i * 4 + 3] = mask[i] as number;
  const moved = resample({ rect, pixels }, matrix, documentRect(shape));
  if (isEmptyRect(moved.rect)) return undefined;
  const alpha = Uint8Array.from({ length: moved.pixels.length / 4 }, (_, i) => moved.pixels[i * 4 + 3] as number);
  return trimSelection({ rect: moved.rect, mask: alpha });
}
