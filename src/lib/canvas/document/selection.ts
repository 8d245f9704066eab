/** A selection: 8-bit coverage over a whole-pixel box; nothing outside the box is selected. */
import { intersectRect, unionRect, type Rect } from '../geometry/rect';

export interface Selection {
  readonly rect: Rect;
  /** rect.width * rect.height values, 255 = fully selected. */
  readonly mask: Uint8Array<ArrayBuffer>;
}

export const SELECTION_MODES = ['replace', 'add', 'subtract', 'intersect'] as const;
export type SelectionMode = (typeof SELECTION_MODES)[number];

/** Coverage at a pixel, 0..255. */
export function selectionAt(selection: Selection, x: number, y: number): number {
  const { rect, mask } = selection;
  if (x < rect.x || y < rect.y || x >= rect.x + rect.width || y >= rect.y + rect.height) return 0;
  return mask[(y - rect.y) * rect.width + (x - rect.x)] as number;
}

export function sameSelection(a: Selection | undefined, b: Selection | undefined): boolean {
  if (a === b) return true;
  if (!a || !b) return false;
  const { x, y, width, height } = a.rect;
  const boxSame = x === b.rect.x && y === b.rect.y && width === b.rect.width && height === b.rect.height;
  return boxSame && a.mask.every((value, i) => value === b.mask[i]);
}

/**
 * Combines two selections; undefined as `current` means "nothing selected yet", which limits no tool.
 * @returns undefined when nothing stays selected
 */
export function combineSelections(
  current: Selection | undefined,
  added: Selection | undefined,
  mode: SelectionMode,
): Selection | undefined {
  if (mode === 'replace') return trimSelection(added);
  if (mode === 'add') {
    if (!current || !added) return trimSelection(current ?? added);
    return trimSelection(mix(unionRect(current.rect, added.rect), current, added, Math.max));
  }
  if (mode === 'subtract') {
    if (!current || !added) return current;
    return trimSelection(mix(current.rect, current, added, (a, b) => Math.min(a, 255 - b)));
  }
  if (!current) return trimSelection(added);
  if (!added) return undefined;
  return trimSelection(mix(intersectRect(current.rect, added.rect), current, added, Math.min));
}

/** Everything in `bounds` that was not selected. */
export function invertSelection(selection: Selection | undefined, bounds: Rect): Selection | undefined {
  if (!selection) return undefined;
  const all: Selection = { rect: bounds, mask: new Uint8Array(bounds.width * bounds.height).fill(255) };
  return combineSelections(all, selection, 'subtract');
}

/** Cuts a selection to `bounds` and shrinks its box to what is selected. */
export function trimSelection(selection: Selection | undefined, bounds?: Rect): Selection | undefined {
  if (!selection) return undefined;
  const rect = bounds ? intersectRect(selection.rect, bounds) : selection.rect;
  let minX = Infinity;
  let minY = Infinity;
  let maxX = -1;
  let maxY = -1;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) {
      if (selectionAt(selection, x, y) === 0) continue;
      if (x < minX) minX = x;
      if (x > maxX) maxX = x;
      if (y < minY) minY = y;
      maxY = y;
    }
  }
  if (maxX < 0) return undefined;
  const box = { x: minX, y: minY, width: maxX - minX + 1, height: maxY - minY + 1 };
  if (box.width === selection.rect.width && box.height === selection.rect.height) return selection;
  const mask = new Uint8Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = (y + box.y - selection.rect.y) * selection.rect.width + (box.x - selection.rect.x);
    mask.set(selection.mask.subarray(from, from + box.width), y * box.width);
  }
  return { rect: box, mask };
}

function mix(rect: Rect, a: Selection, b: Selection, pick: (a: number, b: number) => number): Selection {
  const mask = new Uint8Array(Math.max(0, rect.width * rect.height));
  let i = 0;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) mask[i++] = pick(selectionAt(a, x, y), selectionAt(b, x, y));
  }
  return { rect, mask };
}
