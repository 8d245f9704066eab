import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { goldenGroup } from '../golden_dir';
import { describeGroup, maxAbsDifference, num, readGroup } from './read_group';
import { runCase } from './run_case';
import { caseRun, OUT_OF_SCOPE, SAMPLER_GROUPS, samplerOf } from './sampler_case';
import { expectWithin } from '../within';

/** The flow shift of the run is not in the case; the generator's parameters lie beside the data. */
function flowShift(): number {
  const folder = goldenGroup('sampling');
  const path = folder === undefined ? undefined : join(folder, 'params.json');
  if (path === undefined || !existsSync(path)) return 3;
  return (JSON.parse(readFileSync(path, 'utf8')) as { samplers: { flow_shift: number } }).samplers.flow_shift;
}
const shift = flowShift();
const noise = readGroup('noise');

for (const name of SAMPLER_GROUPS) {
  describeGroup(name, (group) => {
    for (const c of group.cases) {
      const excluded = OUT_OF_SCOPE.find((row) => row.test(c));
      if (excluded !== undefined) {
        it.skip(`${c.name}: ${excluded.reason}`, () => undefined);
        continue;
      }
      it(c.name, async () => {
        const sampler = samplerOf(String(c['sampler']));
        expect(sampler, `no sampler for ${String(c['sampler'])}`).toBeDefined();
        const run = caseRun(group, c, sampler!, { noise: noise!, shift });
        const wide = await runCase(run, 'f64');
        if ('error' in c) {
          expect(wide.final.every(Number.isFinite), 'the library fails here; a finite result is expected').toBe(true);
          return;
        }
        const model = c['model_sigmas'] as number[];
        expect(wide.modelSigmas.length, 'number of model calls').toBe(model.length);
        expectWithin(
          maxAbsDifference(wide.modelSigmas, model),
          1e-7 * Math.max(1, ...model),
          'sigmas of the model calls',
        );
        const asked = (c['noise_calls'] as ([number, number] | null)[]).filter((v) => v !== null);
        if (wide.noiseCalls.length === asked.length) {
          expectWithin(maxAbsDifference(wide.noiseCalls.flat(), asked.flat()), 1e-6, 'noise intervals');
        }
        const inputs = group.floats(c['model_inputs']);
        const thin = num(group.head['thin'] ?? 4);
        const mine = wide.modelInputs.flatMap((x) => [...x].filter((_, i) => i % thin === 0));
        expectWithin(
          maxAbsDifference(mine, inputs),
          num(c['tol_f32']) + 2e-6 * run.sigmas[0]! * 4,
          'inputs of the model calls',
        );
        const final = group.floats(c['final']);
        expectWithin(maxAbsDifference(wide.final, final), num(c['tol_f64']), 'float64 result');
        const narrow = await runCase(run, 'f32');
        const tol32 = num(c['tol_f32']);
        const d = maxAbsDifference(narrow.final, final);
        const d32 =
          typeof c['final_f32'] === 'string' ? maxAbsDifference(narrow.final, group.floats(c['final_f32'])) : d;
        expectWithin(Math.min(d, d32), tol32, 'float32 result');
      });
    }
  });
}
