/** Letters for the labels of sheets, by the browser's own fonts: every script that this device can show. */
import type { Ink } from '../../src/lib/pipeline/plot/text_painter';

const FONT = 'system-ui, sans-serif';

export function paintText(text: string, sizePx: number): Ink {
  const measure = new OffscreenCanvas(1, 1).getContext('2d');
  if (measure) measure.font = `${sizePx}px ${FONT}`;
  const widthPx = Math.max(1, Math.ceil(measure?.measureText(text).width ?? 1));
  const heightPx = Math.ceil(sizePx * 1.25);
  const context = new OffscreenCanvas(widthPx, heightPx).getContext('2d');
  // Without a canvas a sheet has no labels, but it is there.
  if (!context) return { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx) };
  context.font = `${sizePx}px ${FONT}`;
  context.fillText(text, 0, Math.ceil(sizePx * 0.95));
  const { data } = context.getImageData(0, 0, widthPx, heightPx);
  return { widthPx, heightPx, data: Uint8Array.from({ length: widthPx * heightPx }, (_, i) => data[4 * i + 3] ?? 0) };
}
