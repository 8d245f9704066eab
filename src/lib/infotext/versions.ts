/** Version strings of A1111 and Forge, for rules that depend on who wrote an infotext. */

/** Release numbers, then the count of commits behind the release (`v1.7.0-225-g…` → [1, 7, 0], 225). */
export interface WriterVersion {
  readonly release: readonly number[];
  readonly commits: number;
}

/**
 * Reads a version. Forge's own strings (`f2.0.1v1.10.1-previous-…`) are no versions to the original, so that its
 * compatibility rules never apply to them; the result is undefined for these and for all other texts.
 */
export function parseWriterVersion(text: string): WriterVersion | undefined {
  const match = /^\s*v?(\d+(?:\.\d+)*)(?:-(\d+))?(?:-[^-].*)?\s*$/i.exec(text.slice(0, 200));
  if (!match) return undefined;
  return { release: (match[1] ?? '').split('.').map(Number), commits: Number(match[2] ?? '0') };
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: WriterVersion, b: WriterVersion): number {
  const length = Math.max(a.release.length, b.release.length);
  for (let i = 0; i < length; i++) {
    const difference = (a.release[i] ?? 0) - (b.release[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.commits - b.commits;
}
