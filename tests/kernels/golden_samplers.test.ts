/**
 * Samplers on the GPU's sums against golden numbers. The rule that picks cases keeps the ring short: of every sampler
 * and file, the run with the most model calls (at most 40); `test:golden` runs them all on the host.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviceLatentOps } from '../../src/lib/pipeline/latents';
import { maxAbsDifference, num, parseGroup, type Case, type Group } from '../golden/sampling/group';
import { runLatents } from '../golden/sampling/run_case';
import { caseRun, OUT_OF_SCOPE, SAMPLER_GROUPS, samplerOf } from '../golden/sampling/sampler_case';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { createTestBackend, goldenFile, goldenJson } from './test_backend';

const MOST_CALLS = 40;
const callsOf = (c: Case): number => (c['model_sigmas'] as number[] | undefined)?.length ?? 0;

function picked(cases: readonly Case[]): Case[] {
  const largest = new Map<string, Case>();
  for (const c of cases) {
    if ('error' in c || OUT_OF_SCOPE.some((row) => row.test(c)) || callsOf(c) > MOST_CALLS) continue;
    const key = String(c['sampler']);
    const known = largest.get(key);
    if (!known || callsOf(c) > callsOf(known)) largest.set(key, c);
  }
  return [...largest.values()];
}

async function groupOf(name: string): Promise<Group | undefined> {
  const index = await goldenFile(`sampling/${name}.json`);
  return index && parseGroup(name, new TextDecoder().decode(index), await goldenFile(`sampling/${name}.safetensors`));
}

const noise = await groupOf('noise');
const params = await goldenJson<{ samplers: { flow_shift: number } }>('sampling/params.json');
const shift = params?.samplers.flow_shift ?? 3;
const groups = (await Promise.all(SAMPLER_GROUPS.map(groupOf))).filter((group) => group !== undefined);

describe('golden samplers on GPU sums', () => {
  let backend: WebgpuBackend;
  beforeAll(async () => {
    backend = await createTestBackend();
  });
  afterAll(() => backend.dispose());
  if (!noise || groups.length === 0) it.skip('skipped: no sampler cases in the golden folder', () => undefined);
  for (const group of noise ? groups : []) {
    for (const c of picked(group.cases)) {
      it(c.name, async () => {
        const run = caseRun(group, c, samplerOf(String(c['sampler']))!, { noise: noise!, shift });
        const { shape } = noise!.tensor('start');
        const result = await runLatents(
          run,
          deviceLatentOps(backend),
          (values) => backend.upload({ shape, data: Float32Array.from(values) }),
          async (latent) => Float32Array.from((await backend.download(latent)).data),
        );
        expect(result.modelSigmas.length, 'number of model calls').toBe(callsOf(c));
        const thin = num(group.head['thin'] ?? 4);
        const inputs = result.modelInputs.flatMap((x) => [...x].filter((_, i) => i % thin === 0));
        const tolerance = num(c['tol_f32']);
        const rounding = 2e-6 * run.sigmas[0]! * 4;
        // An adaptive run chooses its steps by an error norm: in float32 they lie elsewhere, only the end is comparable.
        if (run.sampler.id !== 'dpm_adaptive') {
          expect(maxAbsDifference(inputs, group.floats(c['model_inputs'])), 'every step').toBeLessThan(
            tolerance + rounding,
          );
        }
        const finals = [c['final'], c['final_f32']].filter((key) => typeof key === 'string');
        const worst = Math.min(...finals.map((key) => maxAbsDifference(result.final, group.floats(key))));
        expect(worst, 'result').toBeLessThanOrEqual(tolerance);
      });
    }
  }
});
