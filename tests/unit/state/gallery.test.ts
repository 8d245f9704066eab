import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GeneratedImage } from '../../../src/lib/rpc/engine';
import { GalleryState } from '../../../src/lib/state/gallery.svelte';
import { Toasts } from '../../../src/lib/state/toasts.svelte';
import type { GalleryRow, GalleryStore } from '../../../src/lib/storage/gallery_store';

const picture = { widthPx: 8, heightPx: 8, infotext: '', seed: 1, file: new Blob() } as unknown as GeneratedImage;
const about = (id: string) => ({ id, prompt: id, model: 'm' });
const ids = (gallery: GalleryState) => gallery.rows.map(({ id }) => id);

/** A store whose reading and writing end when the test says so. */
function slowStore(rows: GalleryRow[]) {
  const waiting = { list: [] as (() => void)[], add: [] as (() => void)[] };
  const store = {
    // What a transaction sees when it starts, told later.
    list: () => {
      const seen = rows.map((row) => ({ ...row }));
      return new Promise((done) => waiting.list.push(() => done(seen)));
    },
    add: (row: GalleryRow) => {
      rows.unshift(row);
      return new Promise<void>((done) => waiting.add.push(done));
    },
    clear: () => Promise.resolve(void rows.splice(0)),
    setFavourite: () => Promise.resolve(),
  } as unknown as GalleryStore;
  return { store, end: (what: keyof typeof waiting) => waiting[what].splice(0).forEach((done) => done()) };
}

const stored = (id: string, createdAt: number): GalleryRow => ({
  ...{ id, createdAt, prompt: id, model: 'm', widthPx: 8, heightPx: 8, infotext: '', seed: 1, favourite: 0 },
});

describe('the gallery while its rows are read', () => {
  beforeEach(() => {
    const field = (value: unknown) => value;
    vi.stubGlobal('$state', Object.assign(field, { raw: field }));
    vi.stubGlobal('$derived', field);
    vi.stubGlobal('navigator', {});
    vi.stubGlobal('createImageBitmap', () => Promise.resolve({ width: 8, height: 8, close: () => undefined }));
  });
  afterEach(() => vi.unstubAllGlobals());

  it('keeps the rows that are shown already, marks included, and puts the others below', async () => {
    const { store, end } = slowStore([stored('old', 1)]);
    const gallery = new GalleryState(store, new Toasts());
    const keeping = gallery.keepPicture(picture, about('new'));
    await vi.waitFor(() => expect((end('add'), ids(gallery))).toEqual(['new']));
    await keeping;
    const loading = gallery.load();
    await gallery.toggleFavourite(['new']);
    const shown = gallery.row('new');
    end('list');
    await loading;
    expect(ids(gallery)).toEqual(['new', 'old']);
    expect(gallery.row('new')).toBe(shown);
    expect(gallery.row('new')?.favourite).toBe(1);
  });

  it('shows a picture once that was written before the reading and told after it', async () => {
    const { store, end } = slowStore([stored('old', 1)]);
    const gallery = new GalleryState(store, new Toasts());
    const add = vi.spyOn(store, 'add');
    const keeping = gallery.keepPicture(picture, about('new'));
    await vi.waitFor(() => expect(add).toHaveBeenCalled());
    const loading = gallery.load();
    end('list');
    await loading;
    const shown = gallery.row('new');
    end('add');
    await keeping;
    expect(ids(gallery)).toEqual(['new', 'old']);
    expect(gallery.row('new')).toBe(shown);
  });

  it('puts a picture on top that was written after the reading', async () => {
    const { store, end } = slowStore([stored('old', 1)]);
    const gallery = new GalleryState(store, new Toasts());
    const loading = gallery.load();
    const keeping = gallery.keepPicture(picture, about('new'));
    await vi.waitFor(() => expect((end('add'), ids(gallery))).toEqual(['new']));
    end('list');
    await Promise.all([loading, keeping]);
    expect(ids(gallery)).toEqual(['new', 'old']);
  });

  it('stays empty when it is emptied during the reading', async () => {
    const { store, end } = slowStore([stored('old', 1)]);
    const gallery = new GalleryState(store, new Toasts());
    void gallery.load();
    const clearing = gallery.clear();
    end('list');
    await clearing;
    expect(ids(gallery)).toEqual([]);
  });
});
