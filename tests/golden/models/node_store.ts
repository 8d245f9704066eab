/** The golden models folder on disk. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GoldenStore } from './golden_case';

/** @param root the folder `models` of a golden folder, or any folder of weight files */
export function nodeStore(root: string): GoldenStore {
  return new GoldenStore((path) => {
    const full = join(root, path);
    return Promise.resolve(existsSync(full) ? new Uint8Array(readFileSync(full)) : undefined);
  });
}
