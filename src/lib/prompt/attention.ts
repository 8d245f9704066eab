/**
 * Attention syntax of A1111 and Forge: `(x)` × 1.1, `(x:1.3)` × 1.3, `[x]` ÷ 1.1, backslash escapes, BREAK.
 * Knows nothing of tokens.
 */
import { SPACE_CLASS, parseDecimal, skipSpace, skipSpaceBack, standaloneWords } from './reference_text';

/** A run of text with one weight. `{ text: 'BREAK', weight: -1 }` closes the chunk. */
export interface WeightedText {
  readonly text: string;
  readonly weight: number;
}

/** `ComfyUI` reads the whole prompt as ComfyUI does, see comfy.ts; the others are the web UIs'. */
export type EmphasisMode = 'Original' | 'No norm' | 'Ignore' | 'None' | 'ComfyUI';

export interface AttentionOptions {
  /**
   * The reference multiplies the BREAK marker like any text, so that BREAK inside brackets becomes a word with a
   * negative weight. True keeps it a marker.
   */
  readonly breakInsideBrackets?: boolean;
}

export const ROUND_FACTOR = 1.1;
const SQUARE_FACTOR = 1 / 1.1;
const BREAK_WORD = 'BREAK';

export function isBreak(run: WeightedText): boolean {
  return run.text === BREAK_WORD && run.weight === -1;
}

// Longest alternatives first; a lone backslash vanishes, a closing with a number belongs to a round bracket.
const piece = new RegExp(
  `\\\\[()\\[\\]\\\\]|\\\\|\\(|\\[|:[${SPACE_CLASS}]*([+-]?[.\\p{Nd}]+)[${SPACE_CLASS}]*\\)|\\)|\\]|[^\\\\()\\[\\]:]+|:`,
  'gu',
);

/**
 * Parses a prompt into runs; neighbours of equal weight are one run. Never throws: text whose weight is no number,
 * such as `(a:1.2.3)`, is kept as typed at weight 1.
 * @param text  a prompt without editing syntax (see schedule.ts), any length
 * @returns at least one run
 */
export function parseAttention(text: string, options: AttentionOptions = {}): WeightedText[] {
  const texts: string[] = [];
  let weights = new Float64Array(64);
  const round: number[] = [];
  const square: number[] = [];
  const append = (part: string, weight: number): void => {
    if (texts.length === weights.length) {
      const grown = new Float64Array(2 * weights.length);
      grown.set(weights);
      weights = grown;
    }
    weights[texts.length] = weight;
    texts.push(part);
  };
  const fixedBreak = options.breakInsideBrackets === true;
  const multiplyFrom = (start: number, factor: number): void => {
    for (let i = start; i < texts.length; i++) {
      const weight = weights[i] ?? 1;
      if (!(fixedBreak && weight === -1 && texts[i] === BREAK_WORD)) weights[i] = weight * factor;
    }
  };

  for (const match of text.matchAll(piece)) {
    const found = match[0];
    const number = match[1];
    if (found.startsWith('\\')) append(found.slice(1), 1);
    else if (found === '(') round.push(texts.length);
    else if (found === '[') square.push(texts.length);
    else if (number !== undefined && round.length > 0) {
      const factor = parseDecimal(number);
      if (factor === undefined) return [{ text, weight: 1 }];
      multiplyFrom(round.pop() ?? 0, factor);
    } else if (found === ')' && round.length > 0) multiplyFrom(round.pop() ?? 0, ROUND_FACTOR);
    else if (found === ']' && square.length > 0) multiplyFrom(square.pop() ?? 0, SQUARE_FACTOR);
    else appendSplitAtBreak(found, append);
  }
  const isFixed = (i: number): boolean => fixedBreak && weights[i] === -1 && texts[i] === BREAK_WORD;
  applyUnclosed(weights, texts.length, round, ROUND_FACTOR, isFixed);
  applyUnclosed(weights, texts.length, square, SQUARE_FACTOR, isFixed);
  return mergeRuns(texts, weights);
}

/**
 * Multiplies every run by the factor once for each bracket that is open before it. Equal products are taken from a
 * list of powers, one step at a time because the order of roundings decides which runs are merged.
 */
function applyUnclosed(
  weights: Float64Array,
  count: number,
  starts: readonly number[],
  factor: number,
  isFixed: (index: number) => boolean,
): void {
  let open = 0;
  let powers = [1];
  for (let i = starts[0] ?? count; i < count; i++) {
    while ((starts[open] ?? count) <= i) open++;
    if (isFixed(i)) continue;
    const weight = weights[i] ?? 1;
    if (powers[0] !== weight) powers = [weight];
    while (powers.length <= open) {
      const last = powers[powers.length - 1] ?? 1;
      const next = last * factor;
      if (next === last) break; // infinite or zero: stays so
      powers.push(next);
    }
    weights[i] = powers[Math.min(open, powers.length - 1)] ?? weight;
  }
}

/** The runs of a prompt in a mode of the web UIs: None does not parse, Ignore parses and drops the weights. */
export function parseForMode(text: string, mode: EmphasisMode, options: AttentionOptions = {}): WeightedText[] {
  return mode === 'None' ? [{ text, weight: 1 }] : parseAttention(text, options);
}

function appendSplitAtBreak(text: string, append: (part: string, weight: number) => void): void {
  let start = 0;
  for (const at of standaloneWords(text, BREAK_WORD)) {
    append(text.slice(start, skipSpaceBack(text, at, start)), 1);
    append(BREAK_WORD, -1);
    start = skipSpace(text, at + BREAK_WORD.length);
  }
  append(text.slice(start), 1);
}

function mergeRuns(texts: readonly string[], weights: Float64Array): WeightedText[] {
  const runs: WeightedText[] = [];
  let from = 0;
  for (let i = 1; i <= texts.length; i++) {
    if (i < texts.length && weights[i] === weights[from]) continue;
    runs.push({ text: texts.slice(from, i).join(''), weight: weights[from] ?? 1 });
    from = i;
  }
  return runs.length > 0 ? runs : [{ text: '', weight: 1 }];
}
