/** Reading the golden group `text` and the fixtures beside it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { fixturesDir, goldenGroup } from '../golden_dir';

const folder = goldenGroup('text');

/** Absolute path inside the group, or undefined when the group or the file is absent. */
export function textPath(relative: string): string | undefined {
  if (folder === undefined) return undefined;
  const path = join(folder, relative);
  return existsSync(path) ? path : undefined;
}

/** Parsed JSON of a golden file; only called where `textPath` gave a path. */
export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

/** A suite over one golden file; registers one skipped test with the reason when the file is absent. */
export function describeGolden<T>(relative: string, suite: (data: T) => void): void {
  const path = textPath(relative);
  describe(`text/${relative}`, () => {
    if (path === undefined) it.skip(`skipped: no text/${relative} in the golden folder`, () => undefined);
    else suite(readJson<T>(path));
  });
}

/** Path of a third-party fixture or undefined. */
export function fixturePath(relative: string): string | undefined {
  if (fixturesDir === undefined) return undefined;
  const path = join(fixturesDir, relative);
  return existsSync(path) ? path : undefined;
}

/** Text of a file shipped with the product. */
export function productFile(relative: string): string {
  return readFileSync(join(import.meta.dirname, '../../..', relative), 'utf8');
}
