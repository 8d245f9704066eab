/** Live drafts of a part of the picture: what changed since the picture shown, its share of the sketch, and the joint. */
import { AppError } from '../base/errors';
import { EMPTY_RECT, unionRect, type Rect } from '../canvas/geometry/rect';
import type { LiveRegion } from '../canvas/live_region';
import { cut } from '../canvas/tools/resample';
import { insertPngText } from '../formats/png_text';
import type { GeneratedImage, PixelImage } from '../rpc/engine';

/** Everything that changed since the start of the job whose picture is shown. */
export class ChangeTracker {
  #since = EMPTY_RECT;
  #inJob = EMPTY_RECT;

  note(boxes: readonly Rect[]): void {
    for (const box of boxes) this.#since = unionRect(this.#since, box);
  }

  /** A job starts: what it will show. */
  begin(): Rect {
    this.#inJob = unionRect(this.#inJob, this.#since);
    this.#since = EMPTY_RECT;
    return this.#inJob;
  }

  /** Its picture is shown. A job that came to nothing just begins again. */
  delivered(): void {
    this.#inJob = EMPTY_RECT;
  }
}

/** A part of a picture; `box` in whole pixels, inside it. */
export function cropPixels({ widthPx, heightPx, rgba }: PixelImage, box: Rect): PixelImage {
  const rect = { x: 0, y: 0, width: widthPx, height: heightPx };
  const { pixels } = cut({ rect, pixels: new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.byteLength) }, box);
  return { widthPx: box.width, heightPx: box.height, rgba: new Uint8ClampedArray(pixels.buffer) };
}

/** The region in pixels of the sketch. */
export function regionInSketch({ box }: LiveRegion, picture: PixelSize, sketch: PixelSize): Rect {
  const [sx, sy] = [sketch.widthPx / picture.widthPx, sketch.heightPx / picture.heightPx];
  const [x, y] = [Math.round(box.x * sx), Math.round(box.y * sy)];
  const width = Math.min(sketch.widthPx - x, Math.round(box.width * sx));
  return { x, y, width, height: Math.min(sketch.heightPx - y, Math.round(box.height * sy)) };
}

interface PixelSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * A new part on the picture that was shown; its edges fade except where they are the picture's own.
 * @param patch the region's box as drawn
 * @throws AppError 'image/invalid' when this browser cannot draw
 */
export async function joinPatch(
  whole: GeneratedImage,
  patch: GeneratedImage,
  { box, part, featherPx }: LiveRegion,
): Promise<GeneratedImage> {
  const { widthPx, heightPx } = whole;
  const [under, over] = await Promise.all([createImageBitmap(whole.file), createImageBitmap(patch.file)]);
  const soft = context(part.width, part.height);
  soft.drawImage(over, box.x - part.x, box.y - part.y);
  soft.globalCompositeOperation = 'destination-in';
  const fade = (length: number, atStart: boolean, atEnd: boolean, gradient: CanvasGradient) => {
    const share = Math.min(0.5, featherPx / length);
    gradient.addColorStop(0, atStart ? '#0000' : '#000');
    gradient.addColorStop(share, '#000');
    gradient.addColorStop(1 - share, '#000');
    gradient.addColorStop(1, atEnd ? '#0000' : '#000');
    soft.fillStyle = gradient;
    soft.fillRect(0, 0, part.width, part.height);
  };
  fade(part.width, part.x > 0, part.x + part.width < widthPx, soft.createLinearGradient(0, 0, part.width, 0));
  fade(part.height, part.y > 0, part.y + part.height < heightPx, soft.createLinearGradient(0, 0, 0, part.height));
  const joined = context(widthPx, heightPx);
  joined.drawImage(under, 0, 0);
  joined.drawImage(soft.canvas, part.x, part.y);
  under.close();
  over.close();
  const png = await joined.canvas.convertToBlob({ type: 'image/png' });
  // Honest about itself: no seed alone gives this picture.
  const infotext = `${withoutRegion(whole.infotext)}, Live region: ${part.x} ${part.y} ${part.width} ${part.height}`;
  const bytes = insertPngText(new Uint8Array(await png.arrayBuffer()), [{ keyword: 'parameters', text: infotext }]);
  return { ...patch, widthPx, heightPx, infotext, file: new Blob([bytes], { type: 'image/png' }) };
}

function withoutRegion(infotext: string): string {
  return infotext.replace(/, Live region: [\d ]+$/, '');
}

function context(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const made = new OffscreenCanvas(width, height).getContext('2d');
  if (!made) throw new AppError('image/invalid', 'live picture: this browser has no 2D canvas; update the browser.');
  return made;
}
