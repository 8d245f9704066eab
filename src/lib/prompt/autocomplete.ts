/**
 * Edits of a prompt field as users of A1111 know them: Ctrl+Up/Down changes the weight of the selection or word,
 * Alt+Left/Right moves a comma-separated element, and what to complete at the cursor. Pure: text and selection in,
 * text and selection out. Positions are UTF-16 offsets.
 */

export interface FieldState {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export interface WeightOptions {
  /** Step for words, default 0.1. */
  readonly step?: number;
  /** Step for extra-network tags, default 0.05. */
  readonly tagStep?: number;
  /** Characters that end a word. */
  readonly delimiters?: string;
}

const DELIMITERS = '.,\\/!?%^*;:{}=`~() \r\n\t[]<>|';
const LOWEST = -10;
const HIGHEST = 10;

/**
 * Raises or lowers the weight at the selection. Inside `<name:1>` the tag's strength changes; inside `(x:1.2)` that
 * weight; otherwise the selection, or the word at the cursor, is wrapped. A weight that comes back to 1 is unwrapped.
 * @param direction  1 raises, -1 lowers
 */
export function changeWeight(state: FieldState, direction: 1 | -1, options: WeightOptions = {}): FieldState {
  const tag = enclosingTag(state);
  if (tag !== undefined) return changeNumber(state, tag, direction * (options.tagStep ?? 0.05));
  const step = direction * (options.step ?? 0.1);
  const group = enclosingGroup(state);
  if (group !== undefined) {
    const weight = rounded(group.weight + step);
    const { text } = state;
    const inner = text.slice(group.open + 1, group.colon);
    if (weight === 1) {
      const plain = text.slice(0, group.open) + inner + text.slice(group.close + 1);
      return { text: plain, start: group.open, end: group.open + inner.length };
    }
    const changed = `${text.slice(0, group.colon + 1)}${weight}${text.slice(group.close)}`;
    return { text: changed, start: group.open + 1, end: group.colon };
  }
  const [start, end] = state.start === state.end ? wordAt(state, options.delimiters ?? DELIMITERS) : trimmed(state);
  if (start === end) return state;
  const weight = rounded(1 + step);
  const { text } = state;
  const wrapped = `${text.slice(0, start)}(${text.slice(start, end)}:${weight})${text.slice(end)}`;
  return { text: wrapped, start: start + 1, end: end + 1 };
}

function rounded(value: number): number {
  return Math.min(HIGHEST, Math.max(LOWEST, Number(value.toFixed(10))));
}

interface NumberSpan {
  readonly start: number;
  readonly end: number;
}

function changeNumber(state: FieldState, span: NumberSpan, step: number): FieldState {
  const { text } = state;
  const weight = rounded(Number(text.slice(span.start, span.end)) + step);
  return { ...state, text: text.slice(0, span.start) + String(weight) + text.slice(span.end) };
}

/** The last number of the tag around the selection. */
function enclosingTag({ text, start, end }: FieldState): NumberSpan | undefined {
  const open = text.lastIndexOf('<', start - 1);
  const close = text.indexOf('>', end);
  if (open === -1 || close === -1 || close - open > 1000) return undefined;
  const match = /^<[\p{L}\p{N}_]+:[^<>]*?:\s*(-?(?:\d+\.?\d*|\.\d+))\s*>$/u.exec(text.slice(open, close + 1));
  if (match?.[1] === undefined) return undefined;
  const at = text.lastIndexOf(match[1], close - 1);
  return { start: at, end: at + match[1].length };
}

/** The innermost round bracket with a weight around the selection. */
function enclosingGroup(state: FieldState): { open: number; colon: number; close: number; weight: number } | undefined {
  const { text, start, end } = state;
  let depth = 0;
  let open = -1;
  for (let at = start - 1; at >= 0; at--) {
    if (isEscaped(text, at)) continue;
    const character = text.charAt(at);
    if (character === ')') depth++;
    else if (character === '(' && depth-- === 0) {
      open = at;
      break;
    }
  }
  if (open === -1) return undefined;
  depth = 0;
  for (let at = end; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') at++;
    else if (character === '(') depth++;
    else if (character === ')' && depth-- === 0) {
      const match = /:\s*(-?(?:\d+\.?\d*|\.\d+))\s*$/.exec(text.slice(Math.max(open, at - 40), at));
      return match ? { open, colon: at - match[0].length, close: at, weight: Number(match[1]) } : undefined;
    }
  }
  return undefined;
}

function isEscaped(text: string, at: number): boolean {
  let count = 0;
  while (text.charAt(at - 1 - count) === '\\') count++;
  return count % 2 === 1;
}

function wordAt({ text, start }: FieldState, delimiters: string): readonly [number, number] {
  let from = start;
  let to = start;
  while (from > 0 && !delimiters.includes(text.charAt(from - 1))) from--;
  while (to < text.length && !delimiters.includes(text.charAt(to))) to++;
  return [from, to];
}

function trimmed({ text, start, end }: FieldState): readonly [number, number] {
  let [from, to] = [start, end];
  while (from < to && text.charAt(from) === ' ') from++;
  while (to > from && text.charAt(to - 1) === ' ') to--;
  return [from, to];
}

/**
 * Moves the comma-separated elements touched by the selection one place. Commas inside brackets and tags do not
 * separate. White space around commas stays where it is.
 * @param direction  -1 to the left, 1 to the right
 */
export function moveElement(state: FieldState, direction: 1 | -1): FieldState {
  const { text } = state;
  const elements = splitElements(text);
  const first = elements.findIndex((e) => e.end >= state.start);
  let last = elements.findIndex((e) => e.end >= state.end);
  if (last === -1) last = elements.length - 1;
  const neighbour = direction === 1 ? last + 1 : first - 1;
  const [a, z, other] = [elements[first], elements[last], elements[neighbour]];
  if (a === undefined || z === undefined || other === undefined) return state;
  const [left, right] =
    direction === 1 ? [{ start: a.start, end: z.end }, other] : [other, { start: a.start, end: z.end }];
  const between = text.slice(left.end, right.start);
  const moved =
    text.slice(0, left.start) +
    text.slice(right.start, right.end) +
    between +
    text.slice(left.start, left.end) +
    text.slice(right.end);
  const shift = direction === 1 ? other.end - z.end : other.start - a.start;
  return { text: moved, start: Math.max(0, state.start + shift), end: Math.max(0, state.end + shift) };
}

function splitElements(text: string): { start: number; end: number }[] {
  const elements: { start: number; end: number }[] = [];
  let depth = 0;
  let start = 0;
  const cut = (end: number): void => {
    let [from, to] = [start, end];
    while (from < to && /\s/.test(text.charAt(from))) from++;
    while (to > from && /\s/.test(text.charAt(to - 1))) to--;
    elements.push({ start: from, end: to });
    start = end + 1;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') at++;
    else if ('([<{'.includes(character)) depth++;
    else if (')]>}'.includes(character)) depth = Math.max(0, depth - 1);
    else if (character === ',' && depth === 0) cut(at);
  }
  cut(text.length);
  return elements;
}

/** What the cursor asks to complete. */
export interface CompletionQuery {
  /** `network` behind `<lora:`, `tag` behind `<`, `word` elsewhere. */
  readonly kind: 'network' | 'tag' | 'word';
  /** For `network`: the kind of tag. */
  readonly network?: string;
  /** Typed so far. */
  readonly prefix: string;
  /** The span that a completion replaces. */
  readonly start: number;
  readonly end: number;
}

const LONGEST_PREFIX = 200;

/** The query at a cursor; words shorter than `fewest` letters give none. */
export function completionAt(text: string, cursor: number, fewest = 2): CompletionQuery | undefined {
  const before = text.slice(Math.max(0, cursor - LONGEST_PREFIX), cursor);
  const network = /<([\p{L}\p{N}_]+):([^<>:]*)$/u.exec(before);
  if (network?.[1] !== undefined && network[2] !== undefined) {
    const prefix = network[2];
    return { kind: 'network', network: network[1], prefix, start: cursor - prefix.length, end: cursor };
  }
  const tag = /<([\p{L}\p{N}_]*)$/u.exec(before);
  if (tag?.[1] !== undefined) return { kind: 'tag', prefix: tag[1], start: cursor - tag[1].length, end: cursor };
  const word = /[^,()[\]<>|{}:\n]*$/u.exec(before)?.[0].trimStart() ?? '';
  return word.length < fewest ? undefined : { kind: 'word', prefix: word, start: cursor - word.length, end: cursor };
}
