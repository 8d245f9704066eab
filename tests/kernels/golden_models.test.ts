/**
 * Golden models on WebGPU: the cases of the Node suite, one set of files each, on the browser's adapter. Single calls
 * only: a software adapter takes minutes for whole runs, which add no operator.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { GoldenStore } from '../golden/models/golden_case';
import { OUT_OF_SCOPE } from '../golden/models/out_of_scope';
import { jobsOf, runJob } from '../golden/models/suite';
import { createTestBackend, goldenFile } from './test_backend';

/** A whole sampling run has a list of noise levels. */
const isRun = (inputs: Readonly<Record<string, unknown>>) =>
  Object.keys(inputs).some((name) => name.startsWith('sigmas'));

const store = new GoldenStore((path) => goldenFile(`models/${path}`));
const names = (await store.json('index.json')) ? await store.familyNames() : [];

describe('golden models on WebGPU', () => {
  if (names.length === 0) it.skip('skipped: the golden folder has no models group', () => undefined);

  let backend: WebgpuBackend;
  beforeAll(async () => {
    backend = await createTestBackend();
  });
  afterAll(() => backend.dispose());

  it.each(names.filter((name) => OUT_OF_SCOPE[name] === undefined))(
    '%s',
    async (name) => {
      const { jobs, problems } = await jobsOf(store, name);
      expect(problems).toEqual([]);
      const seen = new Set<string>();
      let worst = 0;
      const failed: string[] = [];
      for (const job of jobs) {
        if (
          seen.has(job.goldenCase.name) ||
          isRun(job.goldenCase.inputs) ||
          job.goldenCase.inputs['same_as'] === 'img2img'
        )
          continue;
        seen.add(job.goldenCase.name);
        const outcome = await runJob(job, backend);
        worst = Math.max(worst, outcome.ratio);
        if (outcome.problems.length > 0)
          failed.push(`${job.goldenCase.name} (${job.variant}): ${outcome.problems.join('; ')}`);
      }
      console.log(
        `${name.padEnd(20)} webgpu ${seen.size} cases, ${failed.length} failed, worst error/limit ${worst.toPrecision(3)}`,
      );
      expect(failed).toEqual([]);
      expect(backend.memory()).toEqual({ weightsBytes: 0, arenaBytes: 0, tensorBytes: 0 });
    },
    600_000,
  );
});
