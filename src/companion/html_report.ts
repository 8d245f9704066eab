/** Pieces of reports that are one HTML file: text made safe, pictures inside. */
import type { PixelImage } from '../lib/rpc/engine';
import { encodePng } from './node_images';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => ENTITIES[c] ?? c);

/** @param widthPx  shown so wide; default the picture's own width */
export function picture(image: PixelImage, alt: string, widthPx = image.widthPx): string {
  const data = Buffer.from(encodePng(image)).toString('base64');
  return `<img alt="${escaped(alt)}" src="data:image/png;base64,${data}" width="${widthPx}">`;
}
