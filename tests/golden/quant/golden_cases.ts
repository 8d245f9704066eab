/** Cases of the quant group by kind. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { goldenGroup } from '../golden_dir';

const quantFolder = goldenGroup('quant');

/** Kinds that the suites of this folder read; cases of others are listed as skipped. */
export const READ_KINDS = ['ggml', 'ggml-accumulate', 'table', 'conv2d', 'bnb4', 'bnb8', 'fp8', 'matmulnbits'] as const;
type Kind = (typeof READ_KINDS)[number];

/** Cases of some kinds, or all; each suite states the fields it uses. */
export function quantCases<T extends { readonly kind: string }>(kinds?: readonly Kind[]): T[] {
  if (!quantFolder) return [];
  const index = JSON.parse(readFileSync(join(quantFolder, 'index.json'), 'utf8')) as { cases: T[] };
  return index.cases.filter((c) => kinds === undefined || (kinds as readonly string[]).includes(c.kind));
}

/** Path of a file of the group. */
export function quantPath(file: string | undefined): string {
  if (file === undefined) throw new Error('golden quant: the case names no file');
  return join(quantFolder ?? '', file);
}

/** First difference as text, or undefined. NaN equals NaN, -0 equals +0. */
export function firstDifference(got: ArrayLike<number>, want: ArrayLike<number>): string | undefined {
  if (got.length !== want.length) return `${got.length} values, want ${want.length}`;
  for (let i = 0; i < got.length; i++) {
    const same = got[i] === want[i] || (Number.isNaN(got[i]) && Number.isNaN(want[i]));
    if (!same) return `element ${i}: ${got[i]}, want ${want[i]}`;
  }
  return undefined;
}

/** Some rows from the middle of a tensor with any number of rows: what a reader of ranges must also be able to give. */
export function someRows(rows: number): { readonly rowStart: number; readonly rowCount: number } {
  const rowStart = Math.min(5, Math.floor(rows / 2));
  return { rowStart, rowCount: Math.min(7, rows - rowStart) };
}

/** Normalised mean square error: sum((a - b)^2) / sum(b^2). */
export function nmse(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let error = 0;
  let power = 0;
  for (let i = 0; i < want.length; i++) {
    error += ((got[i] ?? 0) - (want[i] ?? 0)) ** 2;
    power += (want[i] ?? 0) ** 2;
  }
  return error / power;
}

/** One visible skip where a folder has no case of a suite: an empty suite would count as an error. */
export function skipWhenEmpty(cases: readonly unknown[]): void {
  if (cases.length === 0)
    it.skip(quantFolder ? 'no such cases in the golden folder' : 'no quant group in the golden folder');
}
