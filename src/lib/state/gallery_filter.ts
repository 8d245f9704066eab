/** Search in the gallery: words of the prompt or model, a seed, a date, `negative` words. Pure. */
import type { GalleryRow } from '../storage/gallery_store';

export interface GalleryQuery {
  readonly text: string;
  readonly favourites: boolean;
  readonly model: string;
}

/**
 * Rows that match every word. A word is looked for in prompt, model and infotext; a number is also a seed, and
 * `2026-11` or `2026-11-23` a month or day; `-word` excludes.
 */
export function filterGallery(rows: readonly GalleryRow[], query: GalleryQuery): readonly GalleryRow[] {
  const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && !query.favourites && query.model === '') return rows;
  return rows.filter((row) => {
    if (query.favourites && row.favourite === 0) return false;
    if (query.model !== '' && row.model !== query.model) return false;
    return words.every((word) => {
      const negated = word.length > 1 && word.startsWith('-');
      return matches(row, negated ? word.slice(1) : word) !== negated;
    });
  });
}

function matches(row: GalleryRow, word: string): boolean {
  if (/^\d{4}-\d{2}(-\d{2})?$/.test(word)) return localDay(row.createdAt).startsWith(word);
  if (/^\d+$/.test(word) && String(row.seed) === word) return true;
  return row.infotext.toLowerCase().includes(word) || row.model.toLowerCase().includes(word);
}

/** `2026-11-23` in the user's time zone. */
function localDay(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
