/**
 * Layered pictures in and out as Photoshop documents, by ag-psd, which is loaded when somebody asks for it.
 * Out: pixel layers with names, opacity, blend mode, visibility and locks, the background as the lowest layer, and the
 * flat picture for programs that read no layers. In: the same, groups dissolved, user masks applied; texts, shapes and
 * effects as the pixels that the file holds for them.
 */
import type { BlendMode, Layer as PsdLayer, PixelData, Psd } from 'ag-psd';
import { AppError } from '../../base/errors';
import { BLEND_MODES, type BlendModeId } from '../document/blend_modes';
import { assertDocumentSize, MAX_LAYERS, MAX_PIXELS } from '../document/document';
import type { OwnedImage, Rgb } from '../document/pixels';
import type { DocumentEditor } from '../document_editor';
import type { SavedChanges } from './changes';

/** A layer as files know it. Its picture may be smaller than the document. */
export interface FileLayer {
  readonly name: string;
  readonly visible: boolean;
  /** 0..1 */
  readonly opacity: number;
  readonly blendMode: BlendModeId;
  readonly locked: boolean;
  readonly image?: OwnedImage;
  readonly at: { readonly x: number; readonly y: number };
}

export interface LayeredPicture {
  readonly width: number;
  readonly height: number;
  readonly background: Rgb | undefined;
  /** Bottom first. */
  readonly layers: readonly FileLayer[];
}

/** What the PSD worker does for the page. Plain data only. */
export interface PsdContract {
  /** @param saved all of a document, as `encodeChanges(-1)` gives it; `names` as of `writePsdFile` */
  write(saved: SavedChanges, names: ReadonlyMap<string, string>): Promise<Blob>;
  /** See `readPsdFile`. */
  read(file: Blob, name: string): Promise<LayeredPicture>;
}

const PSD_TYPE = 'image/vnd.adobe.photoshop';
const BACKGROUND_NAME = 'Background';

/** All names of ours are Photoshop's, with spaces. */
const toPsdMode = (id: BlendModeId): BlendMode => id.replaceAll('-', ' ') as BlendMode;
/** Modes that we have not are shown as normal. */
const fromPsdMode = (mode: string | undefined): BlendModeId =>
  BLEND_MODES.find(({ id }) => toPsdMode(id) === mode)?.id ?? 'normal';

/** The library with plain memory for its pictures instead of canvas elements. */
async function agPsd() {
  const library = await import('ag-psd');
  const noCanvas = (): never => {
    throw new Error('no canvas is used');
  };
  library.initializeCanvas(noCanvas, (width, height) => ({
    width,
    height,
    data: new Uint8ClampedArray(4 * width * height),
    colorSpace: 'srgb',
  }));
  return library;
}

/** @param names  what unnamed layers are called in the file, by layer id */
export async function writePsdFile(editor: DocumentEditor, names: ReadonlyMap<string, string>): Promise<Blob> {
  const { writePsdUint8Array } = await agPsd();
  const { width, height } = editor.size;
  const { background } = editor;
  const children: PsdLayer[] = background
    ? [{ name: BACKGROUND_NAME, top: 0, left: 0, imageData: solid(width, height, background) }]
    : [];
  for (const { id, name, visible, opacity, blendMode, locked } of editor.layers()) {
    const { image, at } = trim(editor.exportLayer(id));
    children.push({
      name: name || (names.get(id) ?? id),
      hidden: !visible,
      opacity,
      blendMode: toPsdMode(blendMode),
      top: at.y,
      left: at.x,
      ...(locked ? { protected: { composite: true, position: true, transparency: true } } : {}),
      ...(image ? { imageData: image } : {}),
    });
  }
  const psd: Psd = { width, height, children, imageData: editor.exportFlat() };
  return new Blob([Uint8Array.from(writePsdUint8Array(psd, { noBackground: true }))], { type: PSD_TYPE });
}

/**
 * Sizes are checked on the file's structure before any pixel is unpacked.
 * @throws AppError `image/invalid` for what is no 8-bit PSD, `canvas/too-large` for more than a document holds
 */
export async function readPsdFile(file: Blob, name: string): Promise<LayeredPicture> {
  const { readPsd } = await agPsd();
  const bytes = await file.arrayBuffer();
  const read = (options: Parameters<typeof readPsd>[1]): Psd => {
    try {
      return readPsd(bytes, { skipThumbnail: true, skipLinkedFilesData: true, ...options });
    } catch (cause) {
      throw new AppError('image/invalid', `${name}: cannot be read as a PSD; save it as an 8-bit RGB PSD.`, { cause });
    }
  };
  assertHolds(read({ skipLayerImageData: true, skipCompositeImageData: true }), name);
  const psd = read({ useImageData: true, skipCompositeImageData: false });
  const { width, height } = psd;
  const layers = dissolve(psd.children ?? [], { opacity: 1, visible: true, locked: false });
  const flat = psd.imageData;
  if (layers.length === 0 && flat) {
    layers.push({ ...plain(name), image: owned(flat), at: { x: 0, y: 0 } });
  }
  const background = backgroundOf(layers[0], width, height);
  return { width, height, background, layers: background && layers.length > 1 ? layers.slice(1) : layers };
}

const plain = (name: string) =>
  ({ name, visible: true, opacity: 1, blendMode: 'normal', locked: false }) as const satisfies Partial<FileLayer>;

function assertHolds(psd: Psd, name: string): void {
  assertDocumentSize(psd.width, psd.height);
  const leaves = (list: readonly PsdLayer[]): PsdLayer[] =>
    list.flatMap((layer) => (layer.children ? leaves(layer.children) : [layer]));
  const layers = leaves(psd.children ?? []);
  const areas = layers.map(({ left = 0, right = 0, top = 0, bottom = 0 }) => (right - left) * (bottom - top));
  if (layers.length > MAX_LAYERS || areas.some((area) => area > MAX_PIXELS)) {
    throw new AppError(
      'canvas/too-large',
      `${name}: at most ${MAX_LAYERS} layers of ${MAX_PIXELS} pixels, it has ${layers.length} of up to ${Math.max(0, ...areas)}; merge or crop some.`,
      { details: { layers: layers.length } },
    );
  }
}

type Inherited = Pick<FileLayer, 'opacity' | 'visible' | 'locked'>;

/** Layers of groups, with what their groups do to them. */
function dissolve(list: readonly PsdLayer[], group: Inherited): FileLayer[] {
  return list.flatMap((layer): FileLayer[] => {
    const own: Inherited = {
      opacity: group.opacity * (layer.opacity ?? 1),
      visible: group.visible && layer.hidden !== true,
      locked: group.locked || layer.protected?.composite === true,
    };
    if (layer.children) return dissolve(layer.children, own);
    const at = { x: layer.left ?? 0, y: layer.top ?? 0 };
    const image = layer.imageData && owned(layer.imageData);
    if (image && layer.mask) applyMask(image, at, layer.mask);
    return [
      {
        ...own,
        name: (layer.name ?? '').slice(0, 512),
        blendMode: fromPsdMode(layer.blendMode),
        at,
        ...(image ? { image } : {}),
      },
    ];
  });
}

function applyMask(image: OwnedImage, at: { x: number; y: number }, mask: NonNullable<PsdLayer['mask']>): void {
  const { imageData, left = 0, top = 0, defaultColor = 255 } = mask;
  if (mask.disabled || (!imageData && defaultColor === 255)) return;
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      const mx = x + at.x - left;
      const my = y + at.y - top;
      const inside = imageData && mx >= 0 && my >= 0 && mx < imageData.width && my < imageData.height;
      const share = inside ? (imageData.data[4 * (my * imageData.width + mx)] ?? 255) : defaultColor;
      const alpha = 4 * (y * image.width + x) + 3;
      image.data[alpha] = Math.round(((image.data[alpha] ?? 0) * share) / 255);
    }
  }
}

function owned({ width, height, data }: PixelData): OwnedImage {
  return { width, height, data: Uint8ClampedArray.from(data) };
}

function solid(width: number, height: number, [r, g, b]: Rgb): OwnedImage {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < data.length; i += 4) data.set([r, g, b, 255], i);
  return { width, height, data };
}

/** The part of a picture where something is. */
function trim(image: OwnedImage): { image?: OwnedImage; at: { x: number; y: number } } {
  const { width, height, data } = image;
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0, i = 3; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      if (data[i] === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  if (right <= left) return { at: { x: 0, y: 0 } };
  const part = new Uint8ClampedArray(4 * (right - left) * (bottom - top));
  for (let y = top; y < bottom; y++) {
    const from = 4 * (y * width + left);
    part.set(data.subarray(from, from + 4 * (right - left)), 4 * (y - top) * (right - left));
  }
  return { image: { width: right - left, height: bottom - top, data: part }, at: { x: left, y: top } };
}

/** A lowest layer of one opaque colour over everything is the paper. */
function backgroundOf(layer: FileLayer | undefined, width: number, height: number): Rgb | undefined {
  if (!layer?.image || !layer.visible || layer.opacity !== 1) return undefined;
  const { image, at } = layer;
  if (image.width < width || image.height < height || at.x !== 0 || at.y !== 0) return undefined;
  const words = new Uint32Array(image.data.buffer, image.data.byteOffset, image.data.length / 4);
  if (image.data[3] !== 255 || words.some((word) => word !== words[0])) return undefined;
  return [image.data[0] ?? 0, image.data[1] ?? 0, image.data[2] ?? 0];
}
