/** What every tokenizer of the product offers. */
export interface Tokenizer {
  /** Number of ids, specials included. */
  readonly size: number;
  /** Id that ends a sequence. */
  readonly endId: number;
  /** Ids of a text, without begin or end tokens. Accepts any string; never throws. */
  encode(text: string): number[];
  /** Text of ids; unknown ids are dropped. Not always the exact inverse: letter case or spaces may be lost. */
  decode(ids: readonly number[]): string;
}

/**
 * Splits text at literal special tokens, longest match first.
 * @returns runs of plain text (strings) and special ids (numbers), in order; empty runs are left out
 */
export function splitAtSpecials(text: string, specials: ReadonlyMap<string, number>): (string | number)[] {
  if (specials.size === 0) return text === '' ? [] : [text];
  const alternatives = [...specials.keys()]
    .sort((a, b) => b.length - a.length)
    .map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const parts: (string | number)[] = [];
  let end = 0;
  for (const match of text.matchAll(new RegExp(alternatives.join('|'), 'g'))) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(specials.get(match[0]) ?? 0);
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

/**
 * Characters with Unicode property White_Space, for regular expression classes. JavaScript's `\s` differs: it
 * counts U+FEFF and not U+0085, and the reference tokenizers do the opposite.
 */
export const WHITE_SPACE = '\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** Lower case code point by code point: `String.toLowerCase` gives a word-final sigma, the references do not. */
export function lowerCase(text: string): string {
  if (!text.includes('Σ')) return text.toLowerCase();
  return text
    .split('Σ')
    .map((part) => part.toLowerCase())
    .join('σ');
}

/** A cache of at most `limit` entries that forgets everything when full; words of a prompt repeat a lot. */
export class WordCache {
  readonly #entries = new Map<string, readonly number[]>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(word: string, compute: () => readonly number[]): readonly number[] {
    const known = this.#entries.get(word);
    if (known !== undefined) return known;
    const ids = compute();
    if (word.length > 64) return ids;
    if (this.#entries.size >= this.#limit) this.#entries.clear();
    this.#entries.set(word, ids);
    return ids;
  }
}
