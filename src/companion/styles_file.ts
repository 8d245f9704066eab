/** `styles.csv` of the web UIs: name, prompt, negative_prompt, quoted as RFC 4180 says. */
import type { Style } from '../lib/prompt/styles';

/** Rows of a CSV text: quotes double inside quotes, line breaks may be in them. */
function rowsOf(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  for (;;) {
    const match = cell.exec(text);
    if (!match) return rows;
    row.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === ',') continue;
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
    if (match[3] === '') return rows;
  }
}

/** Styles of a file; rows without a name, and the divider rows of some files, are left out. */
export function readStyles(text: string): Style[] {
  const [head = [], ...rows] = rowsOf(text.replace(/^\uFEFF/, ''));
  const at = (name: string): number => head.findIndex((cell) => cell.trim().toLowerCase() === name);
  const [name, prompt, negative] = [at('name'), at('prompt'), at('negative_prompt')];
  return rows.flatMap((row) => {
    const named = row[name]?.trim() ?? '';
    return named === '' ? [] : [{ name: named, prompt: row[prompt] ?? '', negative: row[negative] ?? '' }];
  });
}
