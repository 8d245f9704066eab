/** The alarm of the benches: counted figures are strict, measured ones have room, new ones are no alarm. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { renewed, worsened } from '../../bench/alarm';

const row = (name: string, figures: Record<string, number>) => ({ name, ours: 1, unit: 's', figures });
const baseline = [
  row('load', { readBytes: 1000, deviceBytes: 500, heapBytes: 2 ** 20, seconds: 1 }),
  row('warm', { readBytes: 0 }),
];

it('is silent for equal, better and new figures', () => {
  const same = { readBytes: 1000, deviceBytes: 400, heapBytes: 30 * 2 ** 20, seconds: 14 };
  expect(worsened([row('load', same), row('new', { readBytes: 9 })], baseline)).toEqual([]);
});

it('names what has grown, and by how much', () => {
  expect(worsened([row('load', { readBytes: 1001 }), row('warm', { readBytes: 1 })], baseline)).toEqual([
    'load: readBytes 1000 -> 1001 (0.1 % more; at most 1000)',
    'warm: readBytes 0 -> 1 (from nothing; at most 0)',
  ]);
  const [heap, time] = worsened([row('load', { heapBytes: 2 ** 26, seconds: 16 })], baseline);
  expect(heap).toContain('heapBytes');
  expect(time).toContain('seconds 1 -> 16');
});

it('a run of some parts leaves the stored figures of the others', () => {
  const file = join(tmpdir(), `sketchforge-${process.pid}-baseline.json`);
  writeFileSync(file, JSON.stringify({ rows: baseline }));
  const [load, added] = [row('load', { readBytes: 7 }), row('new', { readBytes: 9 })];
  expect(renewed([added, load], file)).toEqual([load, baseline[1], added]);
  expect(renewed([added], `${file} that is not there`)).toEqual([added]);
});
