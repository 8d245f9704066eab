import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { discreteModel, flowModel } from '../../../src/lib/sampling/model_sampling';
import type { GivenOptions } from '../../../src/lib/sampling/options';
import { samplers } from '../../../src/lib/sampling/registry';
import type { SamplerDef } from '../../../src/lib/sampling/sampler';
import { analyticDenoiser, type DenoiserParams } from './analytic_denoiser';
import { goldenGroup } from '../golden_dir';
import { describeGroup, maxAbsDifference, num, readGroup, type Case, type Group } from './read_group';
import { runCase, type CaseRun } from './run_case';

/** Cases that are not run, each with its reason. Everything else must pass. */
const OUT_OF_SCOPE: readonly { readonly test: (c: Case) => boolean; readonly reason: string }[] = [
  {
    test: (c) => String(c['sampler']).startsWith('comfy/uni_pc') && c['steps'] === 1,
    reason:
      'ComfyUI makes no update in a one-step UniPC run and returns the start noise; here it makes a first-order step',
  },
];

/** ComfyUI's UniPC walks any schedule; the registry's `unipc` is the web UIs' form. */
const RENAMED: Record<string, string> = { uni_pc: 'unipc_sigma', uni_pc_bh2: 'unipc_sigma_bh2' };

/** The library id says where the numbers come from; the rule behind it is one entry of the registry. */
function samplerOf(id: string): SamplerDef | undefined {
  const plain = id
    .replace(/^flow\//, '')
    .replace(/^(forge|comfy)\//, '')
    .replace(/-.*$/, '')
    .replace(/_RF$/, '');
  return samplers.find((s) => s.id === (RENAMED[plain] ?? plain));
}

/** k-diffusion's parameter names in the registry's spelling. */
function optionsOf(params: Record<string, unknown>): GivenOptions {
  const given: Record<string, number | string | boolean> = {};
  for (const [key, value] of Object.entries(params)) {
    const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    given[name] = typeof value === 'object' ? JSON.stringify(value) : (value as number | string | boolean);
  }
  return given;
}

/** Defaults of the library that made the numbers where the product follows the web UIs instead (they pass eta 1). */
const LIBRARY_DEFAULTS: Record<string, GivenOptions> = { dpm_fast: { eta: 0 }, dpm_adaptive: { eta: 0 } };

/** The flow shift of the run is not in the case; the generator's parameters lie beside the data. */
function flowShift(): number {
  const folder = goldenGroup('sampling');
  const path = folder === undefined ? undefined : join(folder, 'params.json');
  if (path === undefined || !existsSync(path)) return 3;
  return (JSON.parse(readFileSync(path, 'utf8')) as { samplers: { flow_shift: number } }).samplers.flow_shift;
}
const shift = flowShift();

const noise = readGroup('noise');
const start = noise?.floats('start') ?? new Float64Array(0);
const bank = noise?.floats('bank') ?? new Float64Array(0);

function caseRun(group: Group, c: Case, sampler: SamplerDef): CaseRun {
  const sigmas = [...group.floats(c['sigmas'])];
  const flow = c['parameterization'] === 'flow';
  const shape = noise?.tensor('start').shape ?? [];
  const pixels = (shape[2] ?? 1) * (shape[3] ?? 1);
  const table = group.head['denoisers'] as Record<string, DenoiserParams>;
  const denoiser = (name: unknown) => analyticDenoiser(table[String(name)]!, pixels);
  const main = denoiser(c['denoiser']);
  const uncond = c['uncond'] === null ? undefined : denoiser(c['uncond']);
  const scale = num(c['cfg_scale'] ?? 1);
  const range = c['sigma_range'] as [number, number] | null;
  return {
    sampler,
    options: { ...LIBRARY_DEFAULTS[sampler.id], ...optionsOf(c['params'] as Record<string, unknown>) },
    model: flow ? flowModel({ shift: { kind: 'linear', shift: shift } }) : discreteModel(),
    sigmas,
    start: start.map((v) => v * sigmas[0]!),
    ...(range ? { range: { sigmaMin: range[0], sigmaMax: range[1] } } : {}),
    denoise(x, sigma) {
      const a = flow ? 1 - sigma : 1;
      const cond = main(x, a, sigma);
      if (uncond === undefined) return { denoised: cond };
      const u = uncond(x, a, sigma);
      return { denoised: cond.map((v, i) => u[i]! + scale * (v - u[i]!)), uncond: u };
    },
    noise: (k) => bank.subarray(k * start.length, (k + 1) * start.length),
  };
}

for (const name of ['samplers-ve-kdiffusion', 'samplers-ve-forge', 'samplers-ve-comfy', 'samplers-flow']) {
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
        const run = caseRun(group, c, sampler!);
        const wide = await runCase(run, 'f64');
        if ('error' in c) {
          expect(wide.final.every(Number.isFinite), 'the library fails here; a finite result is expected').toBe(true);
          return;
        }
        const model = c['model_sigmas'] as number[];
        expect(wide.modelSigmas.length, 'number of model calls').toBe(model.length);
        expect(maxAbsDifference(wide.modelSigmas, model), 'sigmas of the model calls').toBeLessThan(
          1e-7 * Math.max(1, ...model),
        );
        const asked = (c['noise_calls'] as ([number, number] | null)[]).filter((v) => v !== null);
        if (wide.noiseCalls.length === asked.length) {
          expect(maxAbsDifference(wide.noiseCalls.flat(), asked.flat()), 'noise intervals').toBeLessThan(1e-6);
        }
        const inputs = group.floats(c['model_inputs']);
        const thin = num(group.head['thin'] ?? 4);
        const mine = wide.modelInputs.flatMap((x) => [...x].filter((_, i) => i % thin === 0));
        expect(maxAbsDifference(mine, inputs), 'inputs of the model calls').toBeLessThan(
          num(c['tol_f32']) + 2e-6 * run.sigmas[0]! * 4,
        );
        const final = group.floats(c['final']);
        expect(maxAbsDifference(wide.final, final), 'float64 result').toBeLessThanOrEqual(num(c['tol_f64']));
        const narrow = await runCase(run, 'f32');
        const tol32 = num(c['tol_f32']);
        const d = maxAbsDifference(narrow.final, final);
        const d32 =
          typeof c['final_f32'] === 'string' ? maxAbsDifference(narrow.final, group.floats(c['final_f32'])) : d;
        expect(Math.min(d, d32), 'float32 result').toBeLessThanOrEqual(tol32);
      });
    }
  });
}
