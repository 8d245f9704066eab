/** Relative paths of files that come from outside: folders, archives, addresses, headers of answers. */

/** Control characters and the ones that turn or hide text; they never belong to a name that people see. */
// eslint-disable-next-line no-control-regex -- they are what is taken out
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const MAX_NAME_CHARS = 240;

/**
 * A path as the product keeps it: `/` between names, no empty names, no `.` and `..`, nothing invisible, names of at
 * most 240 characters. Never empty.
 */
export function cleanPath(path: string): string {
  const names = path
    .replace(INVISIBLE, '')
    .split(/[/\\]/)
    .map((name) => name.trim().slice(0, MAX_NAME_CHARS))
    .filter((name) => !['', '.', '..'].includes(name));
  return names.join('/') || 'file';
}

/** Everything before the last `/`; empty for a plain name. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Everything after the last `/`. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Makes paths different from each other by numbers before the ending. */
export function distinctPaths(paths: readonly string[]): string[] {
  const used = new Set<string>();
  return paths.map((path) => {
    let tried = path;
    for (let i = 2; used.has(tried.toLowerCase()); i++) tried = path.replace(/(\.[^./]*)?$/, ` (${i})$1`);
    used.add(tried.toLowerCase());
    return tried;
  });
}
