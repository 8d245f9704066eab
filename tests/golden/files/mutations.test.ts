/** Every listed mutation of a valid file ends in a result or a typed error, within 2 s and 64 MB. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import { diskFiles, filesFolder, FORMATS, LIMIT_SECONDS, loadIndex, readEverything } from './file_cases';
import { mutate, type Operation } from './mutate';
import { stopwatch } from '../../tools/stopwatch';

interface MutationList {
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly ops: readonly Operation[] }[];
}

const LIMIT_BYTES = 64 * 1024 * 1024;

function memoryInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const list: MutationList = filesFolder
  ? (JSON.parse(readFileSync(join(filesFolder, 'mutations.json'), 'utf8')) as MutationList)
  : { files: [] };
const valid = loadIndex().valid;

describe('mutations', () => {
  if (!filesFolder) it.skip('no files group in the golden folder');
  for (const { file, ops } of list.files) {
    const original = valid.find((c) => c.file === file);
    if (!original || !FORMATS.includes(original.format)) continue;
    it(`${file}: ${ops.length} mutations`, async () => {
      const path = join(filesFolder ?? '', file);
      const bytes = readFileSync(path);
      const targets = original.expected.targets;
      let accepted = 0;
      for (const operation of ops) {
        const source = memorySource(basename(path), mutate(bytes, operation));
        const before = memoryInUse();
        const seconds = stopwatch();
        const outcome = await readEverything(
          { ...original, ...(targets ? { targets } : {}) },
          diskFiles(path, source),
        ).then(
          () => 'accepted',
          (error: unknown) => (error instanceof AppError ? error.code : `untyped: ${String(error)}`),
        );
        expect(outcome, JSON.stringify(operation)).toMatch(/^(accepted$|file\/|quant\/)/);
        expect(seconds(), JSON.stringify(operation)).toBeLessThan(LIMIT_SECONDS);
        expect(memoryInUse() - before, JSON.stringify(operation)).toBeLessThan(LIMIT_BYTES);
        if (outcome === 'accepted') accepted++;
      }
      // About a third of the mutations leave a readable file; none at all would mean a reader that refuses everything.
      expect(accepted).toBeLessThan(ops.length);
    });
  }
});
