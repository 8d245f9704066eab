/** Every hostile file is refused with the class the index names, or one it calls as good; never another error, never a hang. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { diskFiles, filesFolder, FORMATS, LIMIT_SECONDS, loadIndex, readEverything } from './file_cases';
import { stopwatch } from '../../tools/stopwatch';

describe('hostile files', () => {
  if (!filesFolder) it.skip('no files group in the golden folder');
  for (const c of loadIndex().hostile.filter((h) => FORMATS.includes(h.format))) {
    it(`${c.name}: ${c.expected} ${c.error ?? ''}`, async () => {
      const seconds = stopwatch();
      const outcome = await readEverything(c, diskFiles(join(filesFolder ?? '', c.file))).then(
        () => 'accepted',
        (error: unknown) => (error instanceof AppError ? error.code : `untyped: ${String(error)}`),
      );
      expect(seconds()).toBeLessThan(LIMIT_SECONDS);
      const classes = [c.error, ...(c.also_accepted ?? [])].map((name) => `file/${name ?? ''}`);
      if (c.expected === 'reject') expect(classes).toContain(outcome);
      else expect(outcome).toMatch(/^(accepted$|file\/|quant\/)/);
    });
  }
});
