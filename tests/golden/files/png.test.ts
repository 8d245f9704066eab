/** The PNG part of the file cases: text chunks, good and hostile, and mutations. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { insertPngText, readPng } from '../../../src/lib/formats/png_text';
import type { PngText } from '../../../src/lib/formats/png_text';
import { goldenGroup } from '../golden_dir';
import { LIMIT_SECONDS } from './file_cases';
import { mutate } from './mutate';
import type { Operation } from './mutate';
import { stopwatch } from '../../tools/stopwatch';

interface PngCase {
  readonly name: string;
  readonly format: string;
  readonly file: string;
  readonly error?: string | null;
  readonly also_accepted?: readonly string[];
}
interface Index {
  readonly valid: readonly (PngCase & { expected: { width: number; height: number; texts: readonly PngText[] } })[];
  readonly hostile: readonly (PngCase & { expected: 'reject' | 'either' })[];
}
interface Mutations {
  readonly files: readonly { readonly file: string; readonly ops: readonly Operation[] }[];
}

const folder = goldenGroup('files');

describe('png files', () => {
  if (folder === undefined) {
    it.skip('skipped: no files group in the golden folder', () => undefined);
    return;
  }
  const load = (file: string): Uint8Array => Uint8Array.from(readFileSync(join(folder, file)));
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Index;
  const mutations = JSON.parse(readFileSync(join(folder, 'mutations.json'), 'utf8')) as Mutations;

  /** Texts of a file, or the class of the first refusal, of the file or of one text. */
  const outcome = (bytes: Uint8Array): string => {
    try {
      const [problem] = readPng(bytes).problems;
      return problem === undefined ? 'accepted' : problem.code.replace('file/', '');
    } catch (error) {
      return error instanceof AppError ? error.code.replace('file/', '') : `untyped: ${String(error)}`;
    }
  };

  for (const c of index.valid.filter((v) => v.format === 'png')) {
    it(`${c.name}: reads every text`, () => {
      const contents = readPng(load(c.file));
      expect([contents.widthPx, contents.heightPx]).toEqual([c.expected.width, c.expected.height]);
      expect(contents.texts).toEqual(c.expected.texts);
      expect(contents.problems).toEqual([]);
      const texts = contents.texts.map(({ keyword, text }) => ({ keyword, text }));
      const again = readPng(insertPngText(load(c.file), texts)).texts;
      expect(again.map(({ keyword, text }) => ({ keyword, text }))).toEqual(texts);
    });
  }
  for (const c of index.hostile.filter((h) => h.format === 'png')) {
    it(`${c.name}: ${c.expected} ${c.error ?? ''}`, () => {
      const seconds = stopwatch();
      const result = outcome(load(c.file));
      expect(seconds()).toBeLessThan(LIMIT_SECONDS);
      if (c.expected === 'either') expect(result).not.toMatch(/^untyped/);
      else expect([c.error, ...(c.also_accepted ?? [])]).toContain(result);
    });
  }
  for (const { file, ops } of mutations.files.filter((m) => m.file.endsWith('.png'))) {
    it(`${file}: ${ops.length} mutations end in a result or a typed error`, () => {
      const original = load(file);
      for (const op of ops) {
        const seconds = stopwatch();
        expect(outcome(mutate(original, op)), JSON.stringify(op)).not.toMatch(/^untyped/);
        expect(seconds(), JSON.stringify(op)).toBeLessThan(LIMIT_SECONDS);
      }
    });
  }
});
