/** Pictures made larger without being drawn anew: which, how, and what came of them. */
import { AppError, toPlainError, type PlainError } from '../base/errors';
import { readParameters } from '../infotext/parameter_fields';
import type { GeneratedImage, UpscaleRequest, UpscalerSummary } from '../rpc/engine';
import { decodePixels } from './decode_pixels';
import type { EngineState } from './engine.svelte';
import type { GalleryState } from './gallery.svelte';

/** A picture on its way to the page. */
export interface PictureToUpscale {
  readonly file: Blob;
  readonly name: string;
  /** Kept in the result. */
  readonly infotext?: string;
}

export interface UpscaleItem extends PictureToUpscale {
  readonly id: string;
  readonly url: string;
  readonly result?: GeneratedImage & { readonly url: string };
  readonly error?: PlainError;
}

export interface UpscaleSettings {
  upscaler: string;
  by: 'factor' | 'size';
  /** 1..8 */
  scale: number;
  widthPx: number;
  heightPx: number;
  crop: boolean;
  /** Empty: none. */
  second: string;
  /** Share of the second, 0..1. */
  visibility: number;
}

const DEFAULTS: UpscaleSettings = {
  upscaler: '',
  by: 'factor',
  scale: 2,
  widthPx: 512,
  heightPx: 512,
  crop: true,
  second: '',
  visibility: 0.5,
};

export class UpscaleState {
  items: readonly UpscaleItem[] = $state.raw([]);
  settings: UpscaleSettings = $state({ ...DEFAULTS });
  /** Pixel upscalers; latent ones need a model's own latents. */
  upscalers: readonly UpscalerSummary[] = $state.raw([]);
  /** Id of the picture that is being enlarged. */
  running: string | undefined = $state();
  error: PlainError | undefined = $state.raw();
  shownId = $state('');
  readonly shown = $derived(this.items.find(({ id }) => id === this.shownId) ?? this.items[0]);
  readonly #engine: EngineState;
  readonly #gallery: Pick<GalleryState, 'keepPicture'>;
  #stopped = false;
  #jobId: string | undefined;

  constructor(engine: EngineState, gallery: Pick<GalleryState, 'keepPicture'>) {
    this.#engine = engine;
    this.#gallery = gallery;
  }

  /** Asks the engine what it has; the newest network first chosen, since whoever adds one wants it. */
  async refresh(): Promise<void> {
    const all = await this.#engine.upscalers().catch(() => undefined);
    this.upscalers = all?.filter(({ kind }) => kind !== 'latent') ?? this.upscalers;
    if (this.upscalers.some(({ name }) => name === this.settings.upscaler)) return;
    const best = this.upscalers.findLast(({ kind }) => kind === 'network') ?? this.upscalers.at(-1);
    this.settings.upscaler = best?.name ?? '';
  }

  add(pictures: readonly PictureToUpscale[]): void {
    const items = pictures.map((picture) => ({
      ...picture,
      id: crypto.randomUUID(),
      url: URL.createObjectURL(picture.file),
    }));
    this.items = [...this.items, ...items];
    if (items[0]) this.shownId = items[0].id;
  }

  remove(id: string): void {
    const item = this.items.find((one) => one.id === id);
    if (!item || this.running === id) return;
    URL.revokeObjectURL(item.url);
    if (item.result) URL.revokeObjectURL(item.result.url);
    this.items = this.items.filter((one) => one !== item);
  }

  /** Enlarges all pictures of the list, one after the other; failures stay with their picture. */
  async run(): Promise<void> {
    if (this.running) return;
    this.#stopped = false;
    this.error = undefined;
    const settings = $state.snapshot(this.settings);
    for (const { id } of this.items) {
      const item = this.items.find((one) => one.id === id);
      if (this.#stopped) break;
      if (item) await this.#one(item, settings);
    }
    this.running = undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#jobId !== undefined) await this.#engine.interrupt(this.#jobId);
  }

  async #one(item: UpscaleItem, settings: UpscaleSettings): Promise<void> {
    this.running = item.id;
    this.shownId = item.id;
    this.#jobId = `upscale-${item.id}-${Date.now()}`;
    try {
      const image = await decodePixels(item.file);
      if (!image) {
        throw new AppError('image/invalid', `"${item.name}": this browser cannot read the picture; choose another.`);
      }
      const request = upscaleRequest(image, settings, item.infotext);
      const result = await this.#engine.upscale(this.#jobId, request, () => undefined);
      const [made] = result.images;
      if (!made || result.interrupted) return;
      if (item.result) URL.revokeObjectURL(item.result.url);
      this.#change(item.id, { result: { ...made, url: URL.createObjectURL(made.file) } });
      await this.#keep(made, item);
    } catch (error) {
      const plain = toPlainError(error);
      if (plain.code !== 'job/cancelled') this.#change(item.id, { error: plain });
    } finally {
      this.#jobId = undefined;
    }
  }

  #change(id: string, change: Partial<UpscaleItem>): void {
    this.items = this.items.map((item) => {
      if (item.id !== id) return item;
      const { error: _error, ...rest } = item;
      return { ...rest, ...change };
    });
  }

  async #keep(made: GeneratedImage, item: UpscaleItem): Promise<void> {
    const { prompt, model } = item.infotext ? readParameters(item.infotext) : { prompt: item.name, model: '' };
    await this.#gallery.keepPicture(made, { id: crypto.randomUUID(), prompt, model: model ?? '' });
  }
}

/** The engine's request; a size of 0 leaves that side to the other. */
export function upscaleRequest(
  image: UpscaleRequest['image'],
  settings: UpscaleSettings,
  infotext: string | undefined,
): UpscaleRequest {
  const { upscaler, by, scale, widthPx, heightPx, crop, second, visibility } = settings;
  return {
    image,
    upscaler,
    ...(by === 'factor' ? { scale, widthPx: 0, heightPx: 0 } : { scale: 0, widthPx, heightPx, crop }),
    ...(second !== '' && visibility > 0 ? { second: { upscaler: second, visibility } } : {}),
    ...(infotext === undefined ? {} : { infotext }),
  };
}
