/**
 * Text classes as the reference implementation sees them. Its regular expressions are Unicode-aware: full-width
 * digits are digits, letters of every script are word characters. JavaScript's `\d`, `\w`, `\s`, `\b` are not.
 */

/** White space for regular expression classes (with flag u). */
export const SPACE_CLASS = '\\t-\\r\\x1c-\\x20\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const space = new RegExp(`^[${SPACE_CLASS}]$`, 'u');
const wordCharacter = /^[\p{L}\p{N}_]$/u;
const digit = /^\p{Nd}$/u;

function isSpace(character: string): boolean {
  return space.test(character);
}

/** Index of the first character at or after `from` that is no white space; every space is one UTF-16 unit. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charAt(at))) at++;
  return at;
}

/** End of the text before `to` without trailing white space. */
export function skipSpaceBack(text: string, to: number, from = 0): number {
  let at = to;
  while (at > from && isSpace(text.charAt(at - 1))) at--;
  return at;
}

export function trimSpace(text: string): string {
  const end = skipSpaceBack(text, text.length);
  return text.slice(Math.min(skipSpace(text, 0), end), end);
}

/** Start indices of `word` where no letter, digit or underscore of any script touches it; linear time. */
export function* standaloneWords(text: string, word: string): Generator<number> {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + word.length)) {
    if (!isWordCharacter(characterBefore(text, at)) && !isWordCharacter(characterAt(text, at + word.length))) yield at;
  }
}

function isWordCharacter(character: string): boolean {
  return wordCharacter.test(character);
}

function characterAt(text: string, index: number): string {
  const code = text.codePointAt(index);
  return code === undefined ? '' : String.fromCodePoint(code);
}

function characterBefore(text: string, index: number): string {
  if (index < 1) return '';
  const pair = index > 1 ? text.codePointAt(index - 2) : undefined;
  return pair !== undefined && pair > 0xffff ? String.fromCodePoint(pair) : text.charAt(index - 1);
}

/** Digits of any script as ASCII digits; other characters stay. */
export function asciiDigits(text: string): string {
  return text.replace(/\P{ASCII}/gu, (character) => {
    if (!digit.test(character)) return character;
    // Decimal digits come in runs of ten consecutive code points, zero first, not aligned to any multiple.
    let zero = character.codePointAt(0) ?? 0;
    const code = zero;
    while (code - zero < 9 && digit.test(String.fromCodePoint(zero - 1)) && numericRun(zero - 1, code)) zero--;
    return String(code - zero);
  });
}

// Neighbouring runs (mathematical digits U+1D7CE…) touch each other: runs start where the block of ten starts.
const MATHEMATICAL_DIGITS = 0x1d7ce;

function numericRun(candidate: number, code: number): boolean {
  if (code < MATHEMATICAL_DIGITS || code > MATHEMATICAL_DIGITS + 49) return true;
  return Math.floor((candidate - MATHEMATICAL_DIGITS) / 10) === Math.floor((code - MATHEMATICAL_DIGITS) / 10);
}

/** Number text as the reference reads it: sign, digits of any script, one dot; undefined when malformed. */
export function parseDecimal(text: string): number | undefined {
  const ascii = asciiDigits(text);
  return /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(ascii) ? Number(ascii) : undefined;
}
