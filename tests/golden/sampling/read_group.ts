/** Reads one group of the sampling golden data from disk. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { goldenDir, goldenGroup } from '../golden_dir';
import { parseGroup, type Group } from './group';

export { maxAbsDifference, num, sizeOf, type Case, type Group } from './group';

/** The group, or undefined when this golden folder does not have it. */
export function readGroup(name: string): Group | undefined {
  const folder = goldenGroup('sampling');
  if (folder === undefined || !existsSync(join(folder, `${name}.json`))) return undefined;
  const file = join(folder, `${name}.safetensors`);
  const index = readFileSync(join(folder, `${name}.json`), 'utf8');
  return parseGroup(name, index, existsSync(file) ? readFileSync(file) : undefined);
}

/** Registers a suite over a group; one skipped test with the reason when the data are absent. */
export function describeGroup(name: string, body: (group: Group) => void): void {
  const group = readGroup(name);
  describe(`golden sampling/${name}`, () => {
    if (group === undefined) it.skip(`no ${name} data in ${goldenDir}`, () => undefined);
    else body(group);
  });
}
