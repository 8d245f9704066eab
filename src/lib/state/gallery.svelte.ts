/** Every picture the user ever made here: kept, searched, starred, exported, deleted with a way back. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import type { AsyncZippable } from 'fflate';
import { SvelteSet } from 'svelte/reactivity';
import { toPlainError, type PlainError } from '../base/errors';
import type { GalleryRow, GalleryStore } from '../storage/gallery_store';
import type { GeneratedImage } from '../rpc/engine';
import { keepStorage } from './keep_storage';
import { filterGallery } from './gallery_filter';
import type { Result } from './generation.svelte';
import { makeThumbnail } from './thumbnail';
import type { Toasts } from './toasts.svelte';

/** Object URLs of thumbnails kept alive: some screens around the visible one. */
const MAX_THUMBNAIL_URLS = 600;

export class GalleryState {
  rows: readonly GalleryRow[] = $state.raw([]);
  loaded = $state(false);
  error: PlainError | undefined = $state.raw();
  query = $state({ text: '', favourites: false, model: '' });
  readonly selected = new SvelteSet<string>();
  /** Deleted, with Undo still on the screen. */
  #hidden: ReadonlySet<string> = $state.raw(new Set<string>());
  readonly #existing: readonly GalleryRow[] = $derived(
    this.#hidden.size === 0 ? this.rows : this.rows.filter((row) => !this.#hidden.has(row.id)),
  );
  readonly shown: readonly GalleryRow[] = $derived(filterGallery(this.#existing, this.query));
  readonly count: number = $derived(this.#existing.length);
  readonly models: readonly string[] = $derived([...new Set(this.rows.map((row) => row.model))].sort());
  readonly #store: GalleryStore;
  readonly #toasts: Toasts;
  readonly #urls = new Map<string, Promise<string | undefined>>();
  #loading: Promise<void> | undefined;

  constructor(store: GalleryStore, toasts: Toasts) {
    this.#store = store;
    this.#toasts = toasts;
  }

  /** Reads the rows once; pictures made meanwhile are added as they come. Rows that are shown already stay the same objects. */
  load(): Promise<void> {
    this.#loading ??= this.#store.list().then(
      (stored) => {
        const held = new Map(this.rows.map((row) => [row.id, row]));
        const merged = stored.map((row) => {
          const known = held.get(row.id) ?? row;
          held.delete(row.id);
          return known;
        });
        // What is left was made after the store was read: newer than all of it.
        this.rows = [...held.values(), ...merged];
        this.loaded = true;
      },
      (error: unknown) => {
        this.error = toPlainError(error);
        this.#loading = undefined;
      },
    );
    return this.#loading;
  }

  /** Keeps a new picture; a full disk is told, never thrown into the generation. */
  async keep(result: Result, model: string): Promise<void> {
    await this.keepPicture(result, { id: result.id, prompt: result.parameters.prompt, model });
  }

  /** Any finished picture, under an id of its own. */
  async keepPicture(
    picture: GeneratedImage,
    about: { readonly id: string; readonly prompt: string; readonly model: string },
  ): Promise<void> {
    const { widthPx, heightPx, infotext, seed, file } = picture;
    const row: GalleryRow = { ...about, createdAt: Date.now(), widthPx, heightPx, infotext, seed, favourite: 0 };
    try {
      await this.#store.add(row, file, await makeThumbnail(file));
      void keepStorage();
      // Rows read between the writing and now have it already.
      if (!this.row(row.id)) this.rows = [row, ...this.rows];
    } catch (error) {
      this.error = toPlainError(error);
    }
  }

  /** The object URL of a thumbnail; the least recently asked ones are given up. */
  thumbnail(id: string): Promise<string | undefined> {
    const held = this.#urls.get(id);
    if (held) {
      this.#urls.delete(id);
      this.#urls.set(id, held);
      return held;
    }
    const url = this.#store.thumbnail(id).then(
      (blob) => blob && URL.createObjectURL(blob),
      () => undefined,
    );
    this.#urls.set(id, url);
    if (this.#urls.size > MAX_THUMBNAIL_URLS) {
      const [oldest] = this.#urls;
      if (oldest) this.#forget(oldest[0]);
    }
    return url;
  }

  picture(id: string): Promise<Blob | undefined> {
    return this.#store.picture(id);
  }

  row(id: string): GalleryRow | undefined {
    return this.rows.find((row) => row.id === id);
  }

  async toggleFavourite(ids: readonly string[]): Promise<void> {
    const chosen = new Set(ids);
    const favourite = this.rows.some((row) => chosen.has(row.id) && row.favourite === 0);
    this.rows = this.rows.map((row) => (chosen.has(row.id) ? { ...row, favourite: favourite ? 1 : 0 } : row));
    await this.#attempt(this.#store.setFavourite(ids, favourite));
  }

  /** Hides at once, deletes when Undo is gone. A tab closed before that keeps the pictures. */
  async delete(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    this.#hidden = new Set([...this.#hidden, ...ids]);
    for (const id of ids) this.selected.delete(id);
    const restore = () => (this.#hidden = new Set([...this.#hidden].filter((id) => !ids.includes(id))));
    const undone = await this.#toasts.show({
      key: 'gallery.deleted',
      values: { count: ids.length },
      action: { key: 'common.undo', run: restore },
    });
    if (undone) return;
    // Rows still being read would bring it back.
    await this.#loading;
    await this.#attempt(this.#store.delete(ids));
    const gone = new Set(ids);
    this.rows = this.rows.filter((row) => !gone.has(row.id));
    restore();
    for (const id of ids) this.#forget(id);
  }

  /** A zip of PNGs with their parameters inside, named by date, seed and id. */
  async exportZip(ids: readonly string[]): Promise<Blob> {
    const { zip } = await import('fflate');
    const files: AsyncZippable = {};
    for (const id of ids) {
      const [row, png] = [this.row(id), await this.#store.picture(id)];
      if (!row || !png) continue;
      const stamp = new Date(row.createdAt).toISOString().slice(0, 19).replaceAll(':', '-');
      const ending = png.type.replace('image/', '').replace('jpeg', 'jpg') || 'png';
      // Pictures are compressed already: stored, not deflated.
      files[`${stamp}_${row.seed}_${id}.${ending}`] = [new Uint8Array(await png.arrayBuffer()), { level: 0 }];
    }
    const bytes = await new Promise<Uint8Array>((resolve, reject) =>
      zip(files, (error, data) => (error ? reject(error) : resolve(data))),
    );
    return new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' });
  }

  async clear(): Promise<void> {
    await this.#loading;
    await this.#attempt(this.#store.clear());
    this.rows = [];
    this.selected.clear();
    for (const id of [...this.#urls.keys()]) this.#forget(id);
  }

  #forget(id: string): void {
    void this.#urls.get(id)?.then((url) => url && URL.revokeObjectURL(url));
    this.#urls.delete(id);
  }

  async #attempt(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.error = toPlainError(error);
    }
  }
}
