/**
 * What the page must know before its database is open, or it would flash: appearance and language. A copy of two
 * preferences in localStorage; the document's own script (src/app.html) reads the appearance before the first paint.
 */

/** In src/app.html, too. */
const KEYS = { theme: 'first-paint-theme', language: 'first-paint-language' } as const;

export type FirstPaint = keyof typeof KEYS;

/** Empty where nothing is remembered, or storage is refused. */
export function rememberedFirst(what: FirstPaint): string {
  try {
    return localStorage.getItem(KEYS[what]) ?? '';
  } catch {
    return '';
  }
}

/** A browser that refuses storage flashes on the next visit; nothing else depends on it. */
export function rememberFirst(what: FirstPaint, value: string): void {
  try {
    localStorage.setItem(KEYS[what], value);
  } catch {
    // Private mode, or a full disk.
  }
}
