/**
 * Wildcards and variants: `__name__`, `{a|b}`, `{2$$a|b|c}`, `{1-2$$ and $$a|b}`, `{0.5::x|y}`. The language of a
 * popular extension, not of A1111 itself. Expansion is seeded, so a saved job replays.
 */
import { stripComments } from './comments';
import { trimSpace } from './reference_text';

/** Lines of a wildcard by its name, folders with `/`; undefined when there is none. */
export type WildcardSource = (name: string) => readonly string[] | undefined;

export interface Expansion {
  readonly text: string;
  /** Names without a list; they stay in the text as typed. */
  readonly missing: readonly string[];
}

/** Wildcards within wildcards; deeper ones stay as typed, which also ends circles. */
const DEEPEST = 20;
const LONGEST = 100_000;

interface Option {
  readonly weight: number;
  readonly items: readonly Item[];
}
interface Variant {
  readonly options: readonly Option[];
  readonly low: number;
  readonly high: number;
  readonly separator: string;
}
type Item = string | Variant | { readonly wildcard: string };

/** A stream of numbers in [0, 1) for expansion, apart from the noise stream. Source: mulberry32, T. Ettinger, CC0. */
export function expansionRandom(seed: number): () => number {
  let state = (seed ^ Math.floor(seed / 2 ** 32) ^ 0x5f356495) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One random expansion. @param random  numbers in [0, 1), see `expansionRandom` */
export function expandRandom(template: string, source: WildcardSource, random: () => number): Expansion {
  const missing = new Set<string>();
  let length = 0;
  const pick = (items: readonly Item[], depth: number): string => {
    let text = '';
    for (const item of items) {
      if (length > LONGEST) break;
      if (typeof item === 'string') {
        length += item.length;
        text += item;
      } else if ('wildcard' in item) text += pickWildcard(item.wildcard, depth);
      else text += pickVariant(item, depth);
    }
    return text;
  };
  const pickWildcard = (name: string, depth: number): string => {
    const lines = depth < DEEPEST ? source(name) : undefined;
    if (lines === undefined || lines.length === 0) {
      missing.add(name);
      return `__${name}__`;
    }
    return pick(parseTemplate(lines[Math.floor(random() * lines.length)] ?? ''), depth + 1);
  };
  const pickVariant = (variant: Variant, depth: number): string => {
    const left = [...variant.options];
    const count = Math.min(variant.low + Math.floor(random() * (variant.high - variant.low + 1)), left.length);
    const chosen: string[] = [];
    while (chosen.length < count) {
      const total = left.reduce((sum, option) => sum + option.weight, 0);
      let target = random() * total;
      let at = left.findIndex((option) => (target -= option.weight) < 0);
      if (at === -1) at = left.length - 1;
      const [option] = left.splice(at, 1);
      chosen.push(pick(option?.items ?? [], depth));
    }
    return chosen.join(variant.separator);
  };
  const text = pick(parseTemplate(cleanTemplate(template)), 0);
  return { text, missing: [...missing] };
}

/** Every combination, the leftmost choice slowest, wildcard lines sorted; stops at `limit`. */
export function expandAll(template: string, source: WildcardSource, limit = 10_000): string[] {
  const results: string[] = [];
  for (const text of sequence(parseTemplate(cleanTemplate(template)), 0, source, 0)) {
    if (results.length >= limit) break;
    results.push(text);
  }
  return results;
}

function cleanTemplate(template: string): string {
  return trimSpace(stripComments(template));
}

function* sequence(items: readonly Item[], from: number, source: WildcardSource, depth: number): Generator<string> {
  const item = items[from];
  if (item === undefined) {
    yield '';
    return;
  }
  for (const head of itemTexts(item, source, depth)) {
    for (const tail of sequence(items, from + 1, source, depth)) yield head + tail;
  }
}

function* itemTexts(item: Item, source: WildcardSource, depth: number): Generator<string> {
  if (typeof item === 'string') {
    yield item;
  } else if ('wildcard' in item) {
    const lines = depth < DEEPEST ? source(item.wildcard) : undefined;
    if (lines === undefined || lines.length === 0) yield `__${item.wildcard}__`;
    else for (const line of [...lines].sort()) yield* sequence(parseTemplate(line), 0, source, depth + 1);
  } else {
    for (let size = item.low; size <= Math.min(item.high, item.options.length); size++) {
      yield* arrangements(item, [], size, source, depth);
    }
  }
}

function* arrangements(
  variant: Variant,
  taken: readonly number[],
  size: number,
  source: WildcardSource,
  depth: number,
): Generator<string> {
  if (taken.length === size) {
    const parts = taken.map((i) => variant.options[i]?.items ?? []);
    const joined = parts.flatMap((part, i) => (i > 0 ? [variant.separator, ...part] : [...part]));
    yield* sequence(joined, 0, source, depth);
    return;
  }
  for (let i = 0; i < variant.options.length; i++) {
    if (!taken.includes(i)) yield* arrangements(variant, [...taken, i], size, source, depth);
  }
}

const token = /__([^_{}|\n][^{}|\n]*?)__|[{}|]|[^_{}|]+|_/gu;
/** Templates with more pieces than this are taken literally: expansion works by recursion over the pieces. */
const MOST_PIECES = 2000;

interface Level {
  readonly options: Item[][];
}

function parseTemplate(text: string): readonly Item[] {
  const pieces = [...text.matchAll(token)];
  if (pieces.length > MOST_PIECES) return [text];
  const levels: Level[] = [{ options: [[]] }];
  const add = (item: Item): void => {
    const options = levels.at(-1)?.options.at(-1);
    const last = options?.at(-1);
    if (options !== undefined && typeof item === 'string' && typeof last === 'string') {
      options[options.length - 1] = last + item;
    } else options?.push(item);
  };
  for (const [found, wildcard] of pieces) {
    if (wildcard !== undefined) add({ wildcard });
    else if (found === '{') levels.push({ options: [[]] });
    else if (found === '|' && levels.length > 1) levels.at(-1)?.options.push([]);
    else if (found === '}' && levels.length > 1) {
      const level = levels.pop();
      if (level !== undefined) add(readVariant(level.options));
    } else add(found);
  }
  while (levels.length > 1) {
    const level = levels.pop();
    add('{');
    level?.options.forEach((option, i) => {
      if (i > 0) add('|');
      option.forEach(add);
    });
  }
  return levels[0]?.options[0] ?? [];
}

function readVariant(options: readonly (readonly Item[])[]): Variant {
  let low = 1;
  let high = 1;
  let separator = ',';
  const bodies = options.map((option) => [...option]);
  const first = bodies[0];
  const lead = first?.[0];
  if (first !== undefined && typeof lead === 'string') {
    const match = /^(?:(\d{1,4})?(-)?(\d{1,4})?)\$\$(?:(.*?)\$\$)?/s.exec(lead);
    if (match && (match[1] !== undefined || match[3] !== undefined)) {
      low = Number(match[1] ?? '0');
      high = match[3] !== undefined ? Number(match[3]) : match[2] === undefined ? low : options.length;
      separator = match[4] ?? separator;
      first[0] = lead.slice(match[0].length);
    }
  }
  return { options: bodies.map(readOption), low, high: Math.max(low, high), separator };
}

function readOption(items: readonly Item[]): Option {
  const lead = items[0];
  const match = typeof lead === 'string' ? /^\s*(\d+\.?\d*|\.\d+)::/.exec(lead) : null;
  if (typeof lead !== 'string' || match === null) return { weight: 1, items };
  return { weight: Number(match[1]), items: [lead.slice(match[0].length), ...items.slice(1)] };
}
