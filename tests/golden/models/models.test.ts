/** Every golden model case, on every backend that runs in Node. `GOLDEN_MODELS=a,b` limits the families, for work on one. */
import { afterAll, describe, expect, it } from 'vitest';
import { goldenGroup } from '../golden_dir';
import { noteRatio } from '../within';
import { BACKENDS } from './backends';
import { nodeStore } from './node_store';
import { OUT_OF_SCOPE } from './out_of_scope';
import { explain, jobsOf, runJob } from './suite';

const root = goldenGroup('models');
const only = process.env['GOLDEN_MODELS']?.split(',');
const backends = BACKENDS.filter(({ id }) => (process.env['GOLDEN_BACKENDS']?.split(',') ?? [id]).includes(id));

interface Tally {
  cases: number;
  widened: number;
  failed: number;
  worst: number;
}
const tallies = new Map<string, Tally>();

function count(family: string, backend: string, ratio: number, widened: boolean): void {
  const key = `${family.padEnd(20)} ${backend}`;
  const tally = tallies.get(key) ?? { cases: 0, failed: 0, worst: 0, widened: 0 };
  tally.cases += 1;
  tally.widened += widened ? 1 : 0;
  tally.failed += ratio <= 1 ? 0 : 1;
  tally.worst = Math.max(tally.worst, ratio);
  tallies.set(key, tally);
}

if (!root) {
  it.skip('golden models: GOLDEN_DIR has no folder "models"', () => undefined);
} else {
  const store = nodeStore(root);
  const names = (await store.familyNames()).filter((name) => !only || only.includes(name));
  for (const name of names) {
    const reason = OUT_OF_SCOPE[name];
    if (reason !== undefined) {
      it.skip(`${name}: ${reason}`, () => undefined);
      continue;
    }
    const { jobs, problems } = await jobsOf(store, name);
    describe(name, () => {
      it('has an adapter and files for every case', () => {
        expect(problems).toEqual([]);
      });
      for (const { id, open } of backends) {
        for (const job of jobs) {
          it(`${job.goldenCase.name} | ${job.variant} | ${id}`, async () => {
            const backend = await open();
            try {
              const outcome = await runJob(job, backend).catch((error: unknown) => ({
                ratio: Infinity,
                problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
              }));
              count(name, id, outcome.ratio, 'illConditioned' in outcome);
              noteRatio(outcome.ratio, id);
              if (outcome.problems.length > 0) {
                const blocks = Number.isFinite(outcome.ratio) ? await explain(job) : [];
                expect.fail([...outcome.problems, ...blocks].join('\n'));
              }
            } finally {
              await backend.dispose();
            }
          });
        }
      }
    });
  }
  afterAll(() => {
    for (const [key, { cases, failed, worst, widened }] of tallies) {
      const note = widened > 0 ? `, ${widened} judged by the rounding that the network amplifies` : '';
      console.log(
        `${key.padEnd(34)} ${cases} cases, ${failed} failed, worst error/limit ${worst.toPrecision(3)}${note}`,
      );
    }
  });
}
