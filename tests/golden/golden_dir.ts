/**
 * Where golden data lie. `GOLDEN_DIR` names any folder of the layout `sampling/ models/ quant/ files/ text/`;
 * without it the full set beside the project is used when present, else the small committed selection.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const projectRoot = resolve(import.meta.dirname, '../..');
const committed = join(projectRoot, 'tests/golden/data');
const beside = resolve(projectRoot, '../shared/golden');

/** Third-party data that is never committed; undefined in a user's clone. */
export const fixturesDir: string | undefined = existsSync(resolve(projectRoot, '../shared/fixtures'))
  ? resolve(projectRoot, '../shared/fixtures')
  : undefined;

export const goldenDir: string = process.env['GOLDEN_DIR']
  ? resolve(process.env['GOLDEN_DIR'])
  : existsSync(beside)
    ? beside
    : committed;

export type GoldenGroup = 'sampling' | 'models' | 'quant' | 'files' | 'text';

/** The folder of one group, or undefined when this golden folder does not have it. */
export function goldenGroup(group: GoldenGroup): string | undefined {
  const folder = join(goldenDir, group);
  return existsSync(folder) ? folder : undefined;
}
