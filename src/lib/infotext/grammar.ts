/**
 * The infotext grammar of A1111 and Forge: prompt, negative prompt, one line of `Key: value` pairs. Text in, text
 * out; knows no meaning of keys (see fields.ts).
 */

/** Keys and values in the order of the text, values unquoted, numbers as written. */
export type InfotextPairs = readonly (readonly [key: string, value: string])[];

export interface Infotext {
  readonly prompt: string;
  readonly negative: string;
  readonly pairs: InfotextPairs;
}

export interface ParsedInfotext extends Infotext {
  /** The line the pairs came from, empty without parameters. */
  readonly parameterLine: string;
  /** Keys with nothing behind the colon; `Key: ""` is a value, these are not. */
  readonly valueless: readonly string[];
}

/**
 * `tolerant` (default) repairs what the original loses: values are trimmed, unquoted JSON is one value, lines
 * `Template:` and `Negative Template:` behind the parameters are fields. `reference` reads exactly as the original.
 */
export type InfotextDialect = 'tolerant' | 'reference';

const NEGATIVE = 'Negative prompt:';
const FEWEST_PAIRS = 3;
const templateLine = /^(Template|Negative Template):\s*(.*)$/s;

/** Reads a text; never throws. Without three pairs in the last line everything is prompt. */
export function parseInfotext(text: string, dialect: InfotextDialect = 'tolerant'): ParsedInfotext {
  const lines = text.trim().split('\n');
  const templates: (readonly [string, string])[] = [];
  let pairs = readPairs(lines.at(-1) ?? '', dialect);
  if (pairs.length < FEWEST_PAIRS && dialect === 'tolerant') {
    const parameters = parameterLineBeforeTemplates(lines);
    if (parameters !== undefined) {
      templates.push(...readTemplates(lines.slice(parameters + 1)));
      lines.length = parameters + 1;
      pairs = readPairs(lines.at(-1) ?? '', dialect);
    }
  }
  const hasParameters = pairs.length >= FEWEST_PAIRS;
  const parameterLine = hasParameters ? (lines.pop() ?? '').trim() : '';
  const prompt: string[] = [];
  const negative: string[] = [];
  let part = prompt;
  for (const raw of lines) {
    let line = raw.trim();
    if (line.startsWith(NEGATIVE)) {
      part = negative;
      line = line.slice(NEGATIVE.length).trim();
    }
    // Leading empty lines vanish, as in the original.
    if (part.length > 0 || line !== '') part.push(line);
  }
  return {
    prompt: prompt.join('\n'),
    negative: negative.join('\n'),
    pairs: hasParameters ? [...pairs, ...templates] : [],
    parameterLine,
    valueless: hasParameters
      ? pairs.filter((p) => p[1] === '' && isValueless(parameterLine, p[0])).map(([k]) => k)
      : [],
  };
}

function isValueless(line: string, key: string): boolean {
  const at = line.indexOf(`${key}:`);
  return (
    at !== -1 &&
    !line
      .slice(at + key.length + 1)
      .trimStart()
      .startsWith('"')
  );
}

function parameterLineBeforeTemplates(lines: readonly string[]): number | undefined {
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = (lines[at] ?? '').trim();
    if (!/^Template:|^Negative Template:/.test(line)) continue;
    // Template text may span lines; the parameters stand right before the first template line.
    if (readPairs(lines[at - 1] ?? '', 'tolerant').length >= FEWEST_PAIRS) return at - 1;
  }
  return undefined;
}

function readTemplates(lines: readonly string[]): (readonly [string, string])[] {
  const found: [string, string][] = [];
  for (const raw of lines) {
    const match = templateLine.exec(raw.trim());
    const last = found.at(-1);
    if (match) found.push([match[1] ?? '', match[2] ?? '']);
    else if (last) last[1] += `\n${raw.trim()}`;
  }
  return found;
}

const keyCharacter = /[\p{L}\p{N}_ \-/]/u;
const keyStart = /[\p{L}\p{N}_]/u;

/** Reads one line of pairs; values unquoted. Linear time on any text. */
export function readPairs(line: string, dialect: InfotextDialect = 'tolerant'): InfotextPairs {
  const pairs: (readonly [string, string])[] = [];
  const text = line.trim();
  const budget = { left: 4 * text.length }; // characters to look for closing brackets in, for the whole line
  let start = 0; // of the unread text
  let colon = text.indexOf(':');
  while (colon !== -1) {
    const key = keyBefore(text, start, colon);
    if (key !== undefined) {
      const [value, end] = readValue(text, colon + 1, dialect === 'tolerant' ? budget : undefined);
      pairs.push([key, value]);
      start = end;
    } else start = colon + 1;
    colon = text.indexOf(':', start);
  }
  return pairs;
}

/** The key that ends at `colon`: at least two characters, from the first word character of the run of allowed ones. */
function keyBefore(text: string, from: number, colon: number): string | undefined {
  let start = colon;
  while (start > from) {
    // Step over whole code points: letters outside the basic plane are two units.
    const low = text.charCodeAt(start - 1);
    const width = low >= 0xdc00 && low <= 0xdfff && start - 2 >= from ? 2 : 1;
    if (!keyCharacter.test(text.slice(start - width, start))) break;
    start -= width;
  }
  const run = text.slice(start, colon);
  const first = run.search(keyStart);
  if (first === -1) return undefined;
  const key = run.slice(first);
  return [...key].length >= 2 ? key : undefined;
}

const quotedValue = /"(?:\\.|[^\\"])+"/y;

interface Budget {
  left: number;
}

/** @param budget  undefined reads as the original does */
function readValue(text: string, from: number, budget: Budget | undefined): readonly [string, number] {
  let at = from;
  while (at < text.length && /\s/.test(text.charAt(at))) at++;
  if (text.charAt(at) === '"') {
    quotedValue.lastIndex = at;
    const end = at + (quotedValue.exec(text)?.[0].length ?? -1);
    if (end > at && (end === text.length || text.charAt(end) === ',')) return [unquote(text.slice(at, end)), end + 1];
  }
  if (budget !== undefined) {
    const end = jsonEnd(text, at, budget);
    if (end !== undefined) return [text.slice(at, end), end + 1];
  }
  const comma = text.indexOf(',', at);
  const end = comma === -1 ? text.length : comma;
  const value = unquote(text.slice(at, end));
  return [budget === undefined ? value : value.trim(), end + 1];
}

/** End of an unquoted JSON list or object that is followed by a comma or the end of the line. */
function jsonEnd(text: string, from: number, budget: Budget): number | undefined {
  const opener = text.charAt(from);
  if (opener !== '{' && opener !== '[') return undefined;
  let depth = 0;
  let inString = false;
  for (let at = from; at < text.length && budget.left > 0; at++) {
    budget.left--;
    const character = text.charAt(at);
    if (inString) {
      if (character === '\\') at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') {
      depth--;
      if (depth === 0)
        return isJson(text.slice(from, at + 1)) && /^\s*(?:,|$)/.test(text.slice(at + 1, at + 3)) ? at + 1 : undefined;
    }
  }
  return undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // the question was whether it parses
  }
}

/** A value without its quotes; anything that is no JSON string stays as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text; // written by hand or cut off: kept as typed
  }
}

/**
 * A value for the parameter line. Quoted as a JSON string where the original does so (`,`, newline, `:`) and, in the
 * tolerant dialect, also where a bare value would not be read back: spaces at the ends, quotes around.
 */
export function quote(value: string, dialect: InfotextDialect = 'tolerant'): string {
  const lossy = dialect === 'tolerant' && (value.trim() !== value || unquote(value) !== value);
  return lossy || /[,\n:]/.test(value) ? JSON.stringify(value) : value;
}

/** Writes an infotext; a key equal to its value is written once, as the original does. */
export function serialiseInfotext(infotext: Infotext, dialect: InfotextDialect = 'tolerant'): string {
  const { prompt, negative, pairs } = infotext;
  const line = pairs.map(([key, value]) => (key === value ? key : `${key}: ${quote(value, dialect)}`)).join(', ');
  const negativePart = negative === '' ? '' : `\n${NEGATIVE} ${negative}`;
  return `${prompt}${negativePart}\n${line}`.trim();
}
