import { expect, it } from 'vitest';
import { discreteModel, flowModel, fluxMu, type ModelSampling } from '../../../src/lib/sampling/model_sampling';
import { samplers } from '../../../src/lib/sampling/registry';
import type { ScheduleDef } from '../../../src/lib/sampling/schedule';
import { computeSigmas, runSchedule, schedules } from '../../../src/lib/sampling/schedule_registry';
import { diffusersFlowSigmas, diffusersSigmas } from '../../../src/lib/sampling/schedules/diffusers';
import { describeGroup, num, type Case, type Group } from './read_group';
import { expectWithin } from '../within';

/** ComfyUI ids whose formula differs from the web UIs' schedule of the same name, and the rest by the registry. */
function comfySchedule(name: unknown): ScheduleDef | undefined {
  const own = schedules.filter((s: ScheduleDef) => s.comfyui?.includes(String(name)));
  return own.find((s: ScheduleDef) => s.webui !== true) ?? own[0];
}

function flux(mu: number, identityTime: boolean): ModelSampling {
  return flowModel({ shift: { kind: 'exponential', mu }, levels: 10_000, multiplier: 1, identityTime });
}

function forgeModel(group: Group, name: string): ModelSampling {
  switch (name) {
    case 'sd15':
      return discreteModel();
    case 'sdxl':
      return discreteModel({ family: 'sdxl' });
    case 'sd15-ztsnr':
      return discreteModel({ zeroTerminalSnr: true });
  }
  const table = group.cases.find((c) => c.kind === 'model_sigmas' && c['model'] === name);
  if (typeof table?.['shift'] === 'number' && table['mu'] === null) {
    return flowModel({ shift: { kind: 'linear', shift: table['shift'] } });
  }
  const tokens = /-seq(\d+)$/.exec(name)?.[1];
  return flux(tokens === undefined ? num(table?.['mu']) : fluxMu(Number(tokens)), true);
}

function comfyModel(name: string): ModelSampling {
  if (name.startsWith('flux-')) return flux(Number(name.slice(5)), false);
  if (name === 'sd3') return flowModel({ shift: { kind: 'linear', shift: 3 } });
  return discreteModel({ zeroTerminalSnr: name.endsWith('ztsnr') });
}

function expectSigmas(mine: ArrayLike<number>, golden: ArrayLike<number>, relative: number): void {
  expect(mine.length, 'length').toBe(golden.length);
  for (let i = 0; i < golden.length; i++) {
    const [a, b] = [mine[i]!, golden[i]!];
    expectWithin(Math.abs(a - b), 1e-7 + relative * Math.abs(b), `level ${i}: ${a} against ${b}`);
  }
}

function check(group: Group, c: Case): void {
  // ComfyUI's zero-terminal table is float32 on the way, like Forge's.
  const relative = num(c['tolerance_relative'] ?? (String(c['model']).includes('ztsnr') ? 2e-4 : 3e-6));
  const steps = num(c['steps'] ?? 1);
  const golden = typeof c['sigmas'] === 'string' ? group.floats(c['sigmas']) : new Float64Array(0);
  const rho = c['rho'] === null || c['rho'] === undefined ? {} : { rho: num(c['rho']) };
  switch (c.kind) {
    case 'model_sigmas': {
      const model = forgeModel(group, String(c['model']));
      const mine = [...model.sigmas].filter((_, i) => i % num(c['every']) === num(c['first_index']) % num(c['every']));
      return expectSigmas(mine, golden, relative);
    }
    case 'schedule':
    case 'schedule_range': {
      const schedule = schedules.find((s) => s.id === c['schedule']);
      expect(schedule, `no schedule ${String(c['schedule'])}`).toBeDefined();
      const model = forgeModel(group, String(c['model']));
      const range = c.kind === 'schedule_range' ? { sigmaMin: num(c['sigma_min']), sigmaMax: num(c['sigma_max']) } : {};
      const mine = runSchedule(schedule!, steps, { model, ...range, ...rho });
      if ('error' in c) return expect(mine.every(Number.isFinite)).toBe(true);
      return expectSigmas(mine, golden, relative);
    }
    case 'automatic': {
      const sampler = samplers.find((s) => s.label === c['sampler']);
      expect(sampler, `no sampler ${String(c['sampler'])}`).toBeDefined();
      return expectSigmas(
        computeSigmas({ sampler: sampler!, schedule: 'automatic', steps, model: discreteModel() }),
        golden,
        relative,
      );
    }
    case 'comfy_schedule': {
      const schedule = comfySchedule(c['schedule']);
      expect(schedule, `no schedule ${String(c['schedule'])}`).toBeDefined();
      const mine = runSchedule(schedule!, steps, { model: comfyModel(String(c['model'])) });
      if ('error' in c) return expect(mine.every(Number.isFinite), 'finite where the library fails').toBe(true);
      return expectSigmas(mine, golden, relative);
    }
    case 'diffusers_sigmas':
      return expectSigmas(diffusersSigmas(String(c['schedule']), steps, discreteModel()), golden, relative);
    case 'diffusers_flux':
      return expectSigmas(diffusersFlowSigmas(steps, { kind: 'exponential', mu: num(c['mu']) }), golden, relative);
    case 'diffusers_sd3':
      return expectSigmas(
        runSchedule(
          schedules.find((s) => s.id === 'normal')!,
          steps,
          {
            model: flowModel({ shift: { kind: 'linear', shift: num(c['shift']) } }),
          },
        ),
        golden,
        relative,
      );
    case 'flux_mu':
      return expectWithin(Math.abs(fluxMu(num(c['seq_len'])) - num(c['mu'])), num(c['tolerance']));
    case 't_to_sigma': {
      const sigma = discreteModel().tToSigma(num(c['t']));
      return expectWithin(Math.abs(sigma - num(c['sigma'])), num(c['tolerance']) * Math.max(1, sigma));
    }
    case 'sigma_to_t': {
      const model = discreteModel();
      const sigma = num(c['sigma']);
      expectWithin(Math.abs(model.sigmaToT(sigma) - num(c['t_interpolated'])), num(c['tolerance']));
      return expect(model.timestep(sigma)).toBe(num(c['t_nearest']));
    }
    default:
      throw new Error(`unknown kind ${c.kind}`);
  }
}

describeGroup('schedules', (group) => {
  for (const c of group.cases) it(`${c.kind} ${c.name}`, () => check(group, c));
});
