import { expect, it } from 'vitest';
import { discreteModel } from '../../../src/lib/sampling/model_sampling';
import type { GivenOptions } from '../../../src/lib/sampling/options';
import { samplers } from '../../../src/lib/sampling/registry';
import { timestepGrid } from '../../../src/lib/sampling/schedule_registry';
import { analyticDenoiser, type DenoiserParams } from './analytic_denoiser';
import { describeGroup, maxAbsDifference, num, readGroup, type Case, type Group } from './read_group';
import { runCase, type CaseRun } from './run_case';
import { expectWithin } from '../within';

const noise = readGroup('noise');
const start = noise?.floats('start') ?? new Float64Array(0);
const bank = noise?.floats('bank') ?? new Float64Array(0);

/** Parameter names of the web UIs, in the registry's spelling. */
const OPTION_NAMES: Record<string, string> = {
  eta: 'eta',
  uni_pc_variant: 'variant',
  uni_pc_skip_type: 'skipType',
  uni_pc_order: 'order',
  uni_pc_lower_order_final: 'lowerOrderFinal',
  is_img2img: 'img2img',
};

function options(params: Record<string, unknown>): GivenOptions {
  return Object.fromEntries(Object.entries(params).map(([k, v]) => [OPTION_NAMES[k] ?? k, v])) as GivenOptions;
}

/** The web UIs work on sqrt(alpha_bar)*x; the registry's samplers on x. The run converts at its two ends. */
function timestepRun(group: Group, c: Case): CaseRun {
  const model = discreteModel({ alphasCumprod: group.floats(group.head['alphas_cumprod']) });
  const table = group.head['denoisers'] as Record<string, DenoiserParams>;
  const shape = noise?.tensor('start').shape ?? [];
  const pixels = (shape[2] ?? 1) * (shape[3] ?? 1);
  const main = analyticDenoiser(table[String(c['denoiser'])]!, pixels);
  const uncond = c['uncond'] === null ? undefined : analyticDenoiser(table[c['uncond'] as string]!, pixels);
  const scale = num(c['cfg_scale'] ?? 1) * num(c['cfg_scale_multiplier'] ?? 1);
  const sigmas = (c['timesteps'] as number[]).map((t) => model.sigmas[t]!).reverse();
  const sampler = samplers.find((s) => s.id === String(c['sampler']).replace(/-.*$/, ''));
  expect(sampler, `no sampler for ${String(c['sampler'])}`).toBeDefined();
  return {
    sampler: sampler!,
    options: options(c['params'] as Record<string, unknown>),
    model,
    sigmas,
    start: start.map((v) => v * Math.sqrt(1 + sigmas[0]! ** 2)),
    denoise(x, sigma) {
      const a = 1 / Math.sqrt(1 + sigma * sigma);
      const scaled = Float64Array.from(x, (v) => v * a);
      const cond = main(scaled, a, sigma * a);
      if (uncond === undefined) return { denoised: cond };
      const u = uncond(scaled, a, sigma * a);
      return { denoised: cond.map((v, i) => u[i]! + scale * (v - u[i]!)), uncond: u };
    },
    noise: (k) => bank.subarray(k * start.length, (k + 1) * start.length),
  };
}

describeGroup('samplers-timestep', (group) => {
  for (const c of group.cases) {
    if (c.kind === 'timesteps') {
      it(c.name, () => expect(timestepGrid(num(c['steps']))).toEqual(c['timesteps']));
      continue;
    }
    it(c.name, async () => {
      const run = timestepRun(group, c);
      const wide = await runCase(run, 'f64');
      if ('error' in c) {
        expect(wide.final.every(Number.isFinite), 'the library refuses this; a finite result is expected').toBe(true);
        return;
      }
      const asked = c['model_timesteps'] as number[];
      const mine = wide.modelSigmas.map((s) => run.model.timestep(s));
      expect(mine.length, 'number of model calls').toBe(asked.length);
      // UniPC asks at fractional times; the model answers at the nearest trained step.
      expectWithin(maxAbsDifference(mine, asked), 0.5 + 1e-6, 'timesteps');
      const thin = num(group.head['thin'] ?? 4);
      if (typeof c['model_inputs'] === 'string') {
        const inputs = wide.modelInputs.flatMap((x, call) => {
          const a = 1 / Math.sqrt(1 + wide.modelSigmas[call]! ** 2);
          return [...x].filter((_, i) => i % thin === 0).map((v) => v * a);
        });
        expectWithin(maxAbsDifference(inputs, group.floats(c['model_inputs'])), num(c['tol_f32']) + 5e-6, 'inputs');
      }
      const final = group.floats(c['final']);
      expectWithin(maxAbsDifference(wide.final, final), num(c['tol_f64']), 'float64');
      const narrow = await runCase(run, 'f32');
      expectWithin(maxAbsDifference(narrow.final, final), num(c['tol_f32']), 'float32');
    });
  }
});
