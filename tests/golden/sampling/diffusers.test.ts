import { expect, it } from 'vitest';
import { img2imgSteps } from '../../../src/lib/sampling/img2img/steps';
import { roundEven } from '../../../src/lib/sampling/math';
import {
  alphasCumprod,
  discreteModel,
  flowModel,
  rescaleZeroTerminalSnr,
} from '../../../src/lib/sampling/model_sampling';
import type { GivenOptions } from '../../../src/lib/sampling/options';
import { getSampler, type SamplerId } from '../../../src/lib/sampling/registry';
import {
  diffusersSigmaAt,
  diffusersTimesteps,
  type DiffusersSpacing,
} from '../../../src/lib/sampling/schedules/diffusers';
import { analyticDenoiser, type DenoiserParams } from './analytic_denoiser';
import { describeGroup, maxAbsDifference, num, readGroup, type Case, type Group } from './read_group';
import { runCase } from './run_case';
import { expectWithin } from '../within';

const noise = readGroup('noise');
const start = noise?.floats('start') ?? new Float64Array(0);
const bank = noise?.floats('bank') ?? new Float64Array(0);
const sd = discreteModel();
const flow = flowModel();

type Config = Readonly<Record<string, unknown>>;
interface Mapped {
  readonly sampler: SamplerId;
  readonly options?: GivenOptions;
}

/** Which registry sampler is the same algorithm; a text is the reason why none is. */
function mapScheduler(c: Case): Mapped | string {
  const config = c['config'] as Config;
  const params = c['step_params'] as Record<string, number>;
  switch (c['scheduler']) {
    case 'EulerDiscreteScheduler':
    case 'EDMEulerScheduler':
      if ((params['s_churn'] ?? 0) > 0) return 'adds the churn noise after the model call instead of before';
      return { sampler: 'euler' };
    case 'FlowMatchEulerDiscreteScheduler':
      return { sampler: config['stochastic_sampling'] === true ? 'lcm' : 'euler' };
    case 'FlowMatchHeunDiscreteScheduler':
    case 'HeunDiscreteScheduler':
      return { sampler: 'heun' };
    case 'FlowMatchLCMScheduler':
      return { sampler: 'lcm' };
    case 'EulerAncestralDiscreteScheduler':
      return { sampler: 'euler_ancestral' };
    case 'LMSDiscreteScheduler':
      return { sampler: 'lms' };
    case 'KDPM2DiscreteScheduler':
      return { sampler: 'dpm_2' };
    case 'KDPM2AncestralDiscreteScheduler':
      return { sampler: 'dpm_2_ancestral' };
    case 'DDIMScheduler':
      if (config['clip_sample'] === true) return 'clips the estimate to -1..1, a rule for pixel models';
      return { sampler: 'ddim', options: { eta: params['eta'] ?? 0 } };
    case 'PNDMScheduler':
      if (c['steps'] === 1) return 'one step: a single model call, without the averaged first step';
      return config['skip_prk_steps'] === true ? { sampler: 'plms' } : 'Runge-Kutta start, not in the registry';
    case 'DDPMScheduler':
      return { sampler: 'ddpm' };
    case 'DPMSolverMultistepScheduler':
    case 'EDMDPMSolverMultistepScheduler':
      return mapMultistep(config);
    case 'UniPCMultistepScheduler':
      return 'other orders and end rule than the two UniPC forms of the registry';
    case 'DEISMultistepScheduler':
      return 'integrates in log rho; the registry has the tab and rhoab forms';
    case 'SASolverScheduler':
      return 'other orders and noise window than the registry form';
    default:
      return 'no such algorithm in the registry';
  }
}

function mapMultistep(config: Config): Mapped | string {
  const {
    algorithm_type: algorithm = 'dpmsolver++',
    solver_type: solver = 'midpoint',
    solver_order: order = 2,
  } = config;
  if (config['use_flow_sigmas'] === true)
    return 'works in log-SNR on flow models; the registry follows k-diffusion there';
  if (order === 1)
    return algorithm === 'dpmsolver++' ? { sampler: 'euler' } : 'first-order SDE solver, not in the registry';
  if (order === 3) return 'third-order multistep, not in the registry';
  if (config['final_sigmas_type'] === 'sigma_min') return 'lowers the order in a last step that does not reach zero';
  if (config['lower_order_final'] === false) return 'second order into sigma 0';
  if (algorithm === 'sde-dpmsolver++') return { sampler: solver === 'heun' ? 'dpmpp_2m_sde_heun' : 'dpmpp_2m_sde' };
  return solver === 'midpoint' ? { sampler: 'dpmpp_2m' } : 'Heun form of the deterministic solver, not in the registry';
}

/** Noise levels sigma/alpha of the run, the last one included; a text is the reason why there are none. */
function levelsOf(group: Group, c: Case): number[] | string {
  const config = c['config'] as Config;
  if (c['model_kind'] !== 'alphas') return [...group.floats(c['sigmas'])];
  if (config['rescale_betas_zero_snr'] === true) return 'starts at alpha 0, an infinite sigma';
  const alphas = alphasCumprod();
  const stride = Math.floor(1000 / num(c['steps']));
  const timesteps = (c['timesteps'] as number[]).filter((t, i, all) => t !== all[i - 1]);
  if (timesteps.some((t, i) => i > 0 && (timesteps[i - 1] as number) - t !== stride)) {
    return 'steps by 1000/n rounded down from every timestep, so a step does not end where the next begins';
  }
  const last = timesteps.at(-1)! - stride;
  const toOne = last < 0 && (c['scheduler'] === 'DDPMScheduler' || config['set_alpha_to_one'] === true);
  if (timesteps[0] === 0 && !toOne) return 'starts and ends at trained step 0';
  const end = toOne ? 1 : alphas[Math.max(last, 0)]!;
  return [...timesteps.map((t) => alphas[t]!), end].map((a) => Math.sqrt((1 - a) / a));
}

async function runLoop(group: Group, c: Case, mapped: Mapped, sigmas: readonly number[]): Promise<void> {
  const kind = String(c['model_kind']);
  const isFlow = kind === 'flow' || kind === 'flow_vp';
  const scaled = kind === 'alphas' || kind === 'sigma_vp';
  const shape = noise!.tensor('start').shape;
  const table = group.head['denoisers'] as Record<string, DenoiserParams>;
  const denoise = analyticDenoiser(table[String(c['denoiser'])]!, shape[2]! * shape[3]!);
  const scale = scaled ? Math.sqrt(1 + sigmas[0]! ** 2) : num(c['init_noise_sigma']);
  const result = await runCase(
    {
      sampler: getSampler(mapped.sampler),
      options: mapped.options ?? {},
      model: isFlow ? flow : sd,
      sigmas,
      start: start.map((v) => v * scale),
      denoise: (x, sigma) => ({ denoised: denoise(x, isFlow ? 1 - sigma : 1, sigma) }),
      noise: (k) => bank.subarray(k * start.length, (k + 1) * start.length),
    },
    'f64',
  );
  const levels = c['levels'] as [number, number][];
  expect(result.modelSigmas.length, 'number of model calls').toBe(levels.length);
  result.modelSigmas.forEach((sigma, i) => {
    const [a, s] = levels[i]!;
    const level = isFlow ? s : s / a;
    expectWithin(Math.abs(sigma - level), 2e-4 * Math.max(1, level), `call ${i}`);
  });
  const last = sigmas.at(-1)!;
  const returnsScaled = getSampler(mapped.sampler).timestepGrid === true;
  const end = scaled && !returnsScaled ? 1 / Math.sqrt(1 + last * last) : 1;
  expectWithin(
    maxAbsDifference(
      result.final.map((v) => v * end),
      group.floats(c['final']),
    ),
    num(c['tol']),
  );
}

function checkOther(group: Group, c: Case): void {
  switch (c.kind) {
    case 'alphas_cumprod': {
      const own = c.name.endsWith('ztsnr') ? rescaleZeroTerminalSnr(alphasCumprod(), 0) : alphasCumprod();
      const mine = [...own].filter((_, i) => i % num(c['every']) === 0);
      expectWithin(maxAbsDifference(mine, group.floats(c['alphas_cumprod'])), num(c['tolerance']));
      return expectWithin(Math.abs(own.at(-1)! - num(c['last'])), num(c['tolerance']));
    }
    case 'diffusers_timesteps': {
      // The multistep, LCM and PNDM schedulers have grids of their own.
      const spacing = c['spacing'] as { timestep_spacing: DiffusersSpacing; steps_offset?: number };
      const mine = diffusersTimesteps(spacing.timestep_spacing, num(c['steps']), 1000, spacing.steps_offset ?? 0);
      const golden = c['timesteps'] as Record<string, number[]>;
      expectWithin(maxAbsDifference(mine, golden['EulerDiscreteScheduler']!), num(c['tolerance']));
      return expect(mine.map(roundEven)).toEqual(golden['DDIMScheduler']);
    }
    case 'diffusers_img2img': {
      const plan = img2imgSteps('diffusers', num(c['steps']), num(c['strength']));
      const timesteps = diffusersTimesteps('leading', num(c['steps']), 1000, 1).slice(plan.startIndex);
      expect(timesteps).toEqual(c['timesteps']);
      expect(timesteps.length).toBe(c['executed']);
      if (timesteps.length === 0) return;
      return expectWithin(
        Math.abs(diffusersSigmaAt(sd, timesteps[0]!) - num(c['first_sigma'])),
        1e-4 * Math.max(1, num(c['first_sigma'])),
      );
    }
    default:
      throw new Error(`unknown kind ${c.kind}`);
  }
}

describeGroup('diffusers', (group) => {
  const skipped = new Map<string, number>();
  for (const c of group.cases) {
    if (c.kind !== 'diffusers_loop') {
      it(c.name, () => checkOther(group, c));
      continue;
    }
    const mapped = 'error' in c ? 'the library fails on this input' : mapScheduler(c);
    const sigmas = typeof mapped === 'string' ? mapped : levelsOf(group, c);
    if (typeof mapped === 'string' || typeof sigmas === 'string') {
      const reason = `${String(c['scheduler'])}: ${String(sigmas)}`;
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      continue;
    }
    it(c.name, () => runLoop(group, c, mapped, sigmas));
  }
  for (const [reason, count] of skipped) it.skip(`${count} cases, ${reason}`, () => undefined);
});
