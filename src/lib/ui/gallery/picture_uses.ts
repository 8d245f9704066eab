/** What can be made of a kept picture: its settings, a start, a layer, a part to change, a larger one. Each goes there. */
import { goto } from '$app/navigation';
import { resolve } from '$app/paths';
import type { AppState } from '$lib/state/app.svelte';
import { decodePixels } from '$lib/state/decode_pixels';
import { readParameters } from '$lib/state/shown_parameters';
import { pictureName } from '../save_picture';
import { decodePicture } from '../studio/pictures';

type GalleryRow = AppState['gallery']['rows'][number];

interface ShownPicture {
  readonly row: Pick<GalleryRow, 'widthPx' | 'heightPx' | 'prompt' | 'seed' | 'infotext'>;
  readonly file: Blob;
}

/** Drawing is finer than small models see. */
const DRAWING_PX = 512;
/** How far the next picture may leave this one, 0..1. */
const START_STRENGTH = 0.6;

export function pictureUses(app: AppState) {
  const { generation, i18n, imports, studio } = app;
  const create = () => goto(resolve('/'));
  return {
    async settings(row: GalleryRow): Promise<void> {
      await create();
      await imports.apply(readParameters(row.infotext), '', '');
    },
    /** The next generation starts from this picture, at its size. */
    async continueFrom({ file }: ShownPicture): Promise<void> {
      const image = await decodePixels(file);
      if (!image) return;
      const { widthPx, heightPx } = image;
      const init = { image, strength: START_STRENGTH, resizeMode: 'just' } as const;
      Object.assign(generation.parameters, { widthPx, heightPx, init });
      studio.useMode('prompt');
      await create();
    },
    /** The picture becomes a layer of the sketch. */
    async sketch({ row, file }: ShownPicture): Promise<void> {
      studio.useMode('sketch');
      await studio.open({ width: row.widthPx, height: row.heightPx });
      const { image, at } = await decodePicture(file, studio.size, 'fit');
      studio.addPicture(String(row.seed), image, at);
      await create();
    },
    /** A sketch of its own with the picture on it and the mask brush in hand. */
    async changePart({ row, file }: ShownPicture): Promise<void> {
      const { widthPx, heightPx, prompt } = row;
      const factor = Math.max(1, Math.ceil(DRAWING_PX / Math.max(widthPx, heightPx)));
      const size = { width: factor * widthPx, height: factor * heightPx };
      studio.useMode('sketch');
      await studio.open(size);
      await studio.newDocument(size, '');
      const { image, at } = await decodePicture(file, size, 'cover');
      studio.addPicture(String(row.seed), image, at);
      studio.toggleMask(i18n.t('studio.layer.kind.mask'));
      Object.assign(generation.parameters, { widthPx, heightPx, prompt });
      await create();
    },
    async upscale({ row, file }: ShownPicture): Promise<void> {
      app.toUpscale = [{ file, name: pictureName(row.seed, file), infotext: row.infotext }];
      await goto(resolve('/upscale'));
    },
  };
}
