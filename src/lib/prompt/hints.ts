/**
 * Remarks about a prompt for the editor: what is malformed or means something else than it seems. Positions are
 * UTF-16 offsets of the typed text; words for the user are the interface's business.
 */
import { parseDecimal, skipSpace, standaloneWords } from './reference_text';
import { parseSchedule } from './schedule';

export type HintCode =
  | 'unclosed-bracket'
  | 'stray-closer'
  | 'bad-weight'
  | 'break-in-brackets'
  | 'square-weight'
  | 'bar-outside-brackets'
  | 'colour-in-comment'
  | 'weight-before-and'
  | 'full-width'
  | 'unclosed-tag';

export interface PromptHint {
  readonly code: HintCode;
  readonly start: number;
  readonly end: number;
}

/** More hints than this help nobody. */
const MOST_HINTS = 100;
const NUMBER_LIKE = /^\s*[+-]?[\p{Nd}.]+(?:[eE][+-]?\d+)?\s*$/u;

/** All remarks in order of position, at most 100. Linear time; never throws. */
export function promptHints(text: string): PromptHint[] {
  const hints: PromptHint[] = [];
  const add = (code: HintCode, start: number, end: number): void => {
    if (hints.length < 4 * MOST_HINTS) hints.push({ code, start, end });
  };
  bracketHints(text, add);
  for (const match of text.matchAll(/#[0-9a-fA-F]{3,8}(?![\p{L}\p{N}])/gu)) {
    add('colour-in-comment', match.index, match.index + match[0].length);
  }
  for (const match of text.matchAll(/[（）［］：｜＜＞]/gu)) add('full-width', match.index, match.index + 1);
  for (const at of standaloneWords(text, 'AND')) {
    const weight = /:(\s*[+-]?[\d.]+)\s*$/.exec(text.slice(Math.max(0, at - 40), at));
    const before = text.charAt(at - (weight?.[0].length ?? 0) - 1);
    if (weight && /\d/.test(before)) add('weight-before-and', at - weight[0].length, at);
  }
  const lastOpen = text.lastIndexOf('<');
  if (
    lastOpen !== -1 &&
    /^<[\p{L}\p{N}_]+:/u.test(text.slice(lastOpen, lastOpen + 80)) &&
    !text.includes('>', lastOpen)
  ) {
    add('unclosed-tag', lastOpen, text.length);
  }
  const edits = /\[[^[\]]*:\s*[\d.]+\s*\]/.test(text.slice(0, 20_000));
  if (edits && !parseSchedule(text).accepted) {
    const bar = barOutsideBrackets(text);
    if (bar !== -1) add('bar-outside-brackets', bar, bar + 1);
  }
  return hints.sort((a, b) => a.start - b.start).slice(0, MOST_HINTS);
}

/** True when an editor should colour its counter red: brackets do not pair. */
export function hasBracketProblem(hints: readonly PromptHint[]): boolean {
  return hints.some((hint) => hint.code === 'unclosed-bracket' || hint.code === 'stray-closer');
}

interface Open {
  readonly bracket: string;
  readonly at: number;
  lastColon: number;
  colons: number;
}

function bracketHints(text: string, add: (code: HintCode, start: number, end: number) => void): void {
  const stack: Open[] = [];
  const breaks = [...standaloneWords(text, 'BREAK')];
  let nextBreak = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (at === breaks[nextBreak]) {
      nextBreak++;
      if (stack.length > 0) add('break-in-brackets', at, at + 5);
    }
    if (character === '\\') at++;
    else if (character === '(' || character === '[') stack.push({ bracket: character, at, lastColon: -1, colons: 0 });
    else if (character === ':') {
      const open = stack.at(-1);
      if (open !== undefined) {
        open.lastColon = at;
        open.colons++;
      }
    } else if (character === ')' || character === ']') {
      const open = stack.at(-1);
      if (open?.bracket !== (character === ')' ? '(' : '[')) {
        add('stray-closer', at, at + 1);
        continue;
      }
      stack.pop();
      weightHint(text, open, at, add);
    }
  }
  for (const open of stack) add('unclosed-bracket', open.at, open.at + 1);
}

function weightHint(
  text: string,
  open: Open,
  closer: number,
  add: (code: HintCode, start: number, end: number) => void,
): void {
  if (open.colons === 0 || closer - open.lastColon > 60) return;
  const number = text.slice(open.lastColon + 1, closer);
  if (!NUMBER_LIKE.test(number)) return;
  const start = skipSpace(text, open.lastColon + 1);
  if (open.bracket === '(') {
    if (parseDecimal(number.trim()) === undefined) add('bad-weight', start, closer);
  } else if (open.colons === 1 && /^\s*1\.\d+\s*$/.test(number)) {
    // `[word:1.2]` looks like a weight; it edits: nothing, then the word, after more than all steps.
    add('square-weight', start, closer);
  }
}

function barOutsideBrackets(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') at++;
    else if (character === '[') depth++;
    else if (character === ']') depth = Math.max(0, depth - 1);
    else if (character === '|' && depth === 0) return at;
  }
  return -1;
}
