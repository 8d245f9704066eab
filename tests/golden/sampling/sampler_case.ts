/** A golden sampler case as a run of the registry's sampler. Knows no files, so that browsers run it too. */
import { discreteModel, flowModel } from '../../../src/lib/sampling/model_sampling';
import type { GivenOptions } from '../../../src/lib/sampling/options';
import { samplers } from '../../../src/lib/sampling/registry';
import type { SamplerDef } from '../../../src/lib/sampling/sampler';
import { analyticDenoiser, type DenoiserParams } from './analytic_denoiser';
import { num, type Case, type Group } from './group';
import type { CaseRun } from './run_case';

/** The files of cases. */
export const SAMPLER_GROUPS = ['samplers-ve-kdiffusion', 'samplers-ve-forge', 'samplers-ve-comfy', 'samplers-flow'];

/** Cases that are not run, each with its reason. Everything else must pass. */
export const OUT_OF_SCOPE: readonly { readonly test: (c: Case) => boolean; readonly reason: string }[] = [
  {
    test: (c) => String(c['sampler']).startsWith('comfy/uni_pc') && c['steps'] === 1,
    reason:
      'ComfyUI makes no update in a one-step UniPC run and returns the start noise; here it makes a first-order step',
  },
];

/** ComfyUI's UniPC walks any schedule; the registry's `unipc` is the web UIs' form. */
const RENAMED: Record<string, string> = { uni_pc: 'unipc_sigma', uni_pc_bh2: 'unipc_sigma_bh2' };

/** The library id says where the numbers come from; the rule behind it is one entry of the registry. */
export function samplerOf(id: string): SamplerDef | undefined {
  const plain = id
    .replace(/^flow\//, '')
    .replace(/^(forge|comfy)\//, '')
    .replace(/-.*$/, '')
    .replace(/_RF$/, '');
  return samplers.find((s) => s.id === (RENAMED[plain] ?? plain));
}

/** k-diffusion's parameter names in the registry's spelling. @throws for one the sampler does not have */
function optionsOf({ id, options }: SamplerDef, params: Record<string, unknown>): GivenOptions {
  const given: Record<string, number | string | boolean> = {};
  for (const [key, value] of Object.entries(params)) {
    const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!(name in options)) throw new Error(`${id} has no option "${name}"`);
    given[name] = typeof value === 'object' ? JSON.stringify(value) : (value as number | string | boolean);
  }
  return given;
}

/** Defaults of the library that made the numbers where the product follows the web UIs instead (they pass eta 1). */
const LIBRARY_DEFAULTS: Record<string, GivenOptions> = { dpm_fast: { eta: 0 }, dpm_adaptive: { eta: 0 } };

/** What is beside the cases: explicit noise, and the flow shift of the set. */
export interface Surroundings {
  readonly noise: Group;
  readonly shift: number;
}

export function caseRun(group: Group, c: Case, sampler: SamplerDef, { noise, shift }: Surroundings): CaseRun {
  const start = noise.floats('start');
  const bank = noise.floats('bank');
  const sigmas = [...group.floats(c['sigmas'])];
  const flow = c['parameterization'] === 'flow';
  const shape = noise.tensor('start').shape;
  const pixels = (shape[2] ?? 1) * (shape[3] ?? 1);
  const table = group.head['denoisers'] as Record<string, DenoiserParams>;
  const denoiser = (name: unknown) => analyticDenoiser(table[String(name)]!, pixels);
  const main = denoiser(c['denoiser']);
  const uncond = c['uncond'] === null ? undefined : denoiser(c['uncond']);
  const scale = num(c['cfg_scale'] ?? 1);
  const range = c['sigma_range'] as [number, number] | null;
  return {
    sampler,
    options: { ...LIBRARY_DEFAULTS[sampler.id], ...optionsOf(sampler, c['params'] as Record<string, unknown>) },
    model: flow ? flowModel({ shift: { kind: 'linear', shift } }) : discreteModel(),
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
