/**
 * The value syntax of plot axes: comma lists with CSV quoting, ranges `1-5`, `1-10 (+3)`, counts `1-10 [4]`.
 * Source of the grammar: the web UIs' X/Y/Z plot script. Ranges include their end where a step lands on it.
 */
import { AppError } from '../base/errors';

/** One axis may have so many values; a plot of more would never end. */
export const MAX_AXIS_VALUES = 200;

const NUMBER = String.raw`[+-]?\s*\d+(?:\.\d*)?`;
const RANGE = new RegExp(String.raw`^(${NUMBER})\s*-\s*(${NUMBER})(?:\s*\(\s*([+-]\s*\d+(?:\.\d*)?)\s*\))?$`);
const COUNT = new RegExp(String.raw`^(${NUMBER})\s*-\s*(${NUMBER})\s*\[\s*(\d+)\s*\]$`);

/**
 * Splits a list at commas and line breaks; `"a, b"` is one value, `""` inside quotes one quote. Values are trimmed.
 * @throws AppError 'argument/invalid' for a quote that is never closed
 */
export function splitList(text: string): string[] {
  const values: string[] = [];
  let at = 0;
  while (at <= text.length) {
    const quoted = /\s*"((?:[^"]|"")*)"\s*(?=[,\n]|$)/y;
    quoted.lastIndex = at;
    const plain = /[^,\n]*/y;
    plain.lastIndex = at;
    const match = quoted.exec(text);
    const value = match ? (match[1] ?? '').replaceAll('""', '"') : (plain.exec(text)?.[0] ?? '').trim();
    if (!match && value.startsWith('"')) {
      throw new AppError('argument/invalid', `plot values: a quoted value is never closed, got ${value.slice(0, 40)}.`);
    }
    values.push(value);
    at = (match ? quoted.lastIndex : plain.lastIndex) + 1;
  }
  // A trailing comma ends the list; an empty text has no values.
  if (values.at(-1) === '' && !/"\s*$/.test(text)) values.pop();
  return values;
}

/** A list in the same syntax: what has commas, quotes or line breaks is quoted. */
export function joinList(values: readonly string[]): string {
  return values.map((v) => (/[,"\n]|^\s|\s$/.test(v) ? `"${v.replaceAll('"', '""')}"` : v)).join(', ');
}

/**
 * Numbers of a list whose entries may be ranges and counts.
 * @throws AppError 'argument/invalid' naming the entry
 */
export function numbers(text: string, { whole }: { readonly whole: boolean }): number[] {
  const result: number[] = [];
  for (const entry of splitList(text)) {
    if (entry === '') continue;
    result.push(...(whole ? expand(entry).map(Math.trunc) : expand(entry)));
    if (result.length > MAX_AXIS_VALUES) break;
  }
  return result;
}

function expand(entry: string): number[] {
  const count = COUNT.exec(entry);
  if (count) {
    const [from, to, n] = [read(count[1]), read(count[2]), Number(count[3])];
    if (n > MAX_AXIS_VALUES) throw malformed(entry, `at most ${MAX_AXIS_VALUES} values`);
    return Array.from({ length: n }, (_, i) => (n === 1 ? from : tidy(from + ((to - from) * i) / (n - 1))));
  }
  const range = RANGE.exec(entry);
  if (range) {
    const [from, to] = [read(range[1]), read(range[2])];
    const step = range[3] === undefined ? (to >= from ? 1 : -1) : read(range[3]);
    const steps = (to - from) / step;
    if (!(steps >= 0 && steps < MAX_AXIS_VALUES)) {
      throw malformed(entry, `steps that lead from the first to the second number, at most ${MAX_AXIS_VALUES}`);
    }
    return Array.from({ length: Math.floor(steps + 1e-9) + 1 }, (_, i) => tidy(from + i * step));
  }
  const value = read(entry);
  if (!Number.isFinite(value)) throw malformed(entry);
  return [value];
}

function read(text: string | undefined): number {
  const plain = (text ?? '').replaceAll(/\s+/g, '');
  return plain === '' ? NaN : Number(plain);
}

/** Sums of decimal steps without their binary tails. */
function tidy(value: number): number {
  return Number(value.toFixed(10));
}

function malformed(entry: string, rule = 'a number, a range 1-10 (+3) or a count 1-10 [4]'): AppError {
  return new AppError('argument/invalid', `plot values: must be ${rule}, got "${entry.slice(0, 60)}".`, {
    details: { entry: entry.slice(0, 60) },
  });
}

/** All orders of the values, the given one first; n! of them. @throws AppError 'argument/invalid' above 5 values */
export function permutations(values: readonly string[]): string[][] {
  if (values.length > 5) {
    throw new AppError(
      'argument/invalid',
      `plot values: an order axis takes up to 5 words (120 orders), got ${values.length}.`,
    );
  }
  if (values.length <= 1) return [[...values]];
  return values.flatMap((first, i) =>
    permutations([...values.slice(0, i), ...values.slice(i + 1)]).map((rest) => [first, ...rest]),
  );
}
