import { describe, expect, it } from 'vitest';
import { filterGallery } from '../../../src/lib/state/gallery_filter';
import type { GalleryRow } from '../../../src/lib/storage/gallery_store';

function row(id: string, change: Partial<GalleryRow>): GalleryRow {
  const prompt = change.prompt ?? '';
  return {
    id,
    createdAt: new Date(2026, 10, 23, 12).getTime(),
    widthPx: 8,
    heightPx: 8,
    prompt,
    infotext: `${prompt}\nSteps: 20, Sampler: Euler`,
    model: 'tiny',
    seed: 1,
    favourite: 0,
    ...change,
  };
}

const rows = [
  row('apple', { prompt: 'a red Apple', seed: 42 }),
  row('car', { prompt: 'a blue car', favourite: 1, model: 'large', createdAt: new Date(2025, 0, 2).getTime() }),
];
const find = (text: string, favourites = false, model = '') =>
  filterGallery(rows, { text, favourites, model }).map(({ id }) => id);

describe('search in the gallery', () => {
  it('returns the same list when nothing is asked', () => {
    expect(filterGallery(rows, { text: ' ', favourites: false, model: '' })).toBe(rows);
  });
  it('finds words without regard to case, all of them', () => {
    expect(find('apple RED')).toEqual(['apple']);
    expect(find('apple blue')).toEqual([]);
  });
  it('finds a seed, a setting, a model, a month and a day', () => {
    expect(find('42')).toEqual(['apple']);
    expect(find('euler')).toEqual(['apple', 'car']);
    expect(find('large')).toEqual(['car']);
    expect(find('2026-11')).toEqual(['apple']);
    expect(find('2025-01-02')).toEqual(['car']);
  });
  it('excludes words with a minus', () => {
    expect(find('-car')).toEqual(['apple']);
  });
  it('keeps favourites and one model', () => {
    expect(find('', true)).toEqual(['car']);
    expect(find('', false, 'tiny')).toEqual(['apple']);
  });
});
