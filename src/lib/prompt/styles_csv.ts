/**
 * Reading and writing `styles.csv` of A1111 and Forge: columns `name,prompt,negative_prompt`, quoted as RFC 4180, often
 * with a byte order mark. Rows without a name, A1111's own separators (a line of dashes) and Forge's comments (a name
 * that starts with #) are left out.
 */
import { AppError } from '../base/errors';
import type { Style } from './styles';

/** A style library of the web has a few hundred kB. */
const MAX_CHARACTERS = 16 * 2 ** 20;

/** @throws AppError 'argument/invalid' for a text that is no such table */
export function readStylesCsv(text: string): Style[] {
  if (text.length > MAX_CHARACTERS) throw invalid(`it has ${text.length} characters, ${MAX_CHARACTERS} are read`);
  const [header = [], ...rows] = readCsv(text.replace(/^\uFEFF/, ''));
  const column = (...names: readonly string[]) => header.findIndex((cell) => names.includes(cell.trim().toLowerCase()));
  const [name, prompt, negative] = [column('name'), column('prompt', 'text'), column('negative_prompt')];
  if (name === -1 || prompt === -1)
    throw invalid('its first line must name the columns name, prompt and negative_prompt');
  return rows.flatMap((row) => {
    const style = { name: row[name]?.trim() ?? '', prompt: row[prompt] ?? '', negative: row[negative] ?? '' };
    return style.name === '' || /^(?:-{5,}|#)/.test(style.name) ? [] : [style];
  });
}

export function writeStylesCsv(styles: readonly Style[]): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = styles.map(({ name, prompt, negative }) => [name, prompt, negative].map(cell).join(','));
  return `\uFEFF${['name,prompt,negative_prompt', ...rows].join('\r\n')}\r\n`;
}

/** Rows of cells; an unclosed quote takes the rest, as spreadsheet programs do. Empty lines are left out. */
export function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || cell !== '') rows.push(row);
    row = [];
    cell = '';
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text.charAt(at + 1) === '"') {
        cell += '"';
        at++;
      } else quoted = false;
    } else if (character === '"' && cell === '') quoted = true;
    else if (character === ',') {
      row.push(cell);
      cell = '';
    } else if (character === '\n') endRow();
    else if (character !== '\r' || text.charAt(at + 1) !== '\n') cell += character;
  }
  endRow();
  return rows;
}

function invalid(what: string): AppError {
  return new AppError('argument/invalid', `styles: the file is no styles.csv, ${what}.`);
}
