/** Picture files in and out of the canvas: decode, fit, encode. The DOM's share; pixels go to the engine as plain data. */
import type { OwnedImage } from '$lib/canvas/document/pixels';

export const EXPORT_TYPES = [
  { type: 'image/png', label: 'PNG', extension: 'png' },
  { type: 'image/jpeg', label: 'JPEG', extension: 'jpg' },
  { type: 'image/webp', label: 'WebP', extension: 'webp' },
] as const;

export type ExportType = (typeof EXPORT_TYPES)[number];

interface Area {
  readonly width: number;
  readonly height: number;
}

export interface PlacedPicture {
  readonly image: OwnedImage;
  readonly at: { readonly x: number; readonly y: number };
}

/**
 * A picture file as pixels for a document.
 * @param how `fit`: scaled down to fit, centred, never enlarged; `cover`: exactly the document's size
 * @throws DOMException when the browser cannot decode it
 */
export async function decodePicture(file: Blob, document: Area, how: 'fit' | 'cover'): Promise<PlacedPicture> {
  const bitmap = await createImageBitmap(file);
  try {
    const scale = Math.min(1, document.width / bitmap.width, document.height / bitmap.height);
    const width = how === 'cover' ? document.width : Math.max(1, Math.round(bitmap.width * scale));
    const height = how === 'cover' ? document.height : Math.max(1, Math.round(bitmap.height * scale));
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw new DOMException('no 2-D canvas', 'InvalidStateError');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const at = { x: Math.round((document.width - width) / 2), y: Math.round((document.height - height) / 2) };
    return { image: { width, height, data: new Uint8ClampedArray(data) }, at };
  } finally {
    bitmap.close();
  }
}

/** A picture as a file; JPEG has no transparency and gets white paper. */
export async function encodePicture(image: OwnedImage, type: ExportType['type']): Promise<Blob> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  if (!context) throw new DOMException('no 2-D canvas', 'InvalidStateError');
  const bitmap = await createImageBitmap(new ImageData(image.data, image.width, image.height));
  if (type === 'image/jpeg') {
    context.fillStyle = '#fff';
    context.fillRect(0, 0, image.width, image.height);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type, quality: 0.95 });
}

/** The picture among pasted or dropped things. */
export function pictureIn(data: DataTransfer | null): File | undefined {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith('image/') || isPsd(file));
}

/** By its name: browsers give the type no name, or one of several. */
export function isPsd({ name }: File): boolean {
  return /\.psd$/i.test(name);
}
