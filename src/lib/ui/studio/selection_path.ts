/** The outline of a selection as an SVG path in document pixels: edges between selected and not selected pixels. */
import { selectionAt, type Selection } from '$lib/canvas/document/selection';

const HALF = 128;

export function selectionPath(selection: Selection): string {
  const { x, y, width, height } = selection.rect;
  const inside = (px: number, py: number): boolean => selectionAt(selection, px, py) >= HALF;
  const parts: string[] = [];
  for (let py = y; py <= y + height; py++) {
    run(
      x,
      x + width,
      (px) => inside(px, py) !== inside(px, py - 1),
      (from, to) => parts.push(`M${from} ${py}H${to}`),
    );
  }
  for (let px = x; px <= x + width; px++) {
    run(
      y,
      y + height,
      (py) => inside(px, py) !== inside(px - 1, py),
      (from, to) => parts.push(`M${px} ${from}V${to}`),
    );
  }
  return parts.join('');
}

/** Calls `found` for every unbroken run of places where `test` holds. */
function run(from: number, to: number, test: (at: number) => boolean, found: (from: number, to: number) => void): void {
  let start: number | undefined;
  for (let at = from; at <= to; at++) {
    const holds = at < to && test(at);
    if (holds) start ??= at;
    else if (start !== undefined) {
      found(start, at);
      start = undefined;
    }
  }
}
