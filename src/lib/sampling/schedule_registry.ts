/**
 * The list of schedules and the rule from a user's choice to a list of sigmas. Adding one = one definition in
 * `schedules/` and one line here. Order is the menu order of the web UIs, then the ComfyUI additions.
 */
import { AppError } from '../base/errors';
import type { ModelSampling } from './model_sampling';
import type { SamplerDef } from './sampler';
import type { ScheduleDef, ScheduleParams } from './schedule';
import { checkSteps } from './schedule';
import { betaComfy, ddim, linearQuadratic, normal, sgmUniform, simple, turbo, uniform } from './schedules/model_levels';
import { beta, exponential, karras, klOptimal, klOptimalComfy, polyexponential } from './schedules/range_formulas';
import { alignYourSteps, alignYourSteps11, alignYourSteps32, alignYourStepsGits } from './schedules/tables';

export const schedules = [
  uniform,
  karras,
  exponential,
  polyexponential,
  sgmUniform,
  klOptimal,
  alignYourSteps,
  simple,
  normal,
  ddim,
  beta,
  turbo,
  alignYourStepsGits,
  alignYourSteps11,
  alignYourSteps32,
  linearQuadratic,
  betaComfy,
  klOptimalComfy,
] as const satisfies readonly ScheduleDef[];

export type ScheduleId = (typeof schedules)[number]['id'];
/** A user's choice; `automatic` takes the sampler's own schedule. */
export type ScheduleChoice = ScheduleId | 'automatic';

const byId = new Map<string, ScheduleDef>(schedules.map((s) => [s.id, s]));

export interface SigmaRequest extends ScheduleParams {
  readonly sampler: SamplerDef;
  readonly schedule: ScheduleChoice;
  /** 1..1000. */
  readonly steps: number;
  readonly model: ModelSampling;
  /** 0 or absent: the model's. */
  readonly sigmaMin?: number;
  /** 0 or absent: the model's. */
  readonly sigmaMax?: number;
  /** "Always discard next-to-last sigma"; samplers that need it do so anyway. */
  readonly discardPenultimate?: boolean;
}

/**
 * Noise levels of a run, descending; resolves Automatic, the user's range, and the discard rule.
 * A sampler with `timestepGrid` ignores the schedule and gets the grid (see `timestepGrid`).
 * @throws AppError 'argument/invalid' for steps outside 1..1000, an empty or negative range, or levels above 1 on a flow
 * model
 */
export function computeSigmas(request: SigmaRequest): number[] {
  const { sampler, steps, model } = request;
  checkSteps(`schedule ${request.schedule}`, steps);
  if (sampler.timestepGrid === true && model.parameterization === 've') {
    return timestepGrid(steps, model.sigmas.length)
      .map((t) => model.sigmas[t] as number)
      .reverse();
  }
  const chosen = request.schedule === 'automatic' ? sampler.preferredSchedule : request.schedule;
  const schedule = byId.get(chosen) ?? uniform;
  const discard = sampler.discardPenultimate === true || request.discardPenultimate === true;
  const sigmas = walkedLevels(schedule, steps + (discard ? 1 : 0), request);
  checkFlowTime(schedule, sigmas[0] ?? 0, model);
  return discard ? [...sigmas.slice(0, -2), ...sigmas.slice(-1)] : sigmas;
}

/** Published tables and ranges for noise-prediction models begin near 14.6: no level of a flow model, which mixes by 1 - sigma. */
function checkFlowTime({ id, label }: ScheduleDef, first: number, { parameterization }: ModelSampling): void {
  if (parameterization !== 'flow' || first <= 1 + 1e-6) return;
  throw new AppError(
    'argument/invalid',
    `schedule ${label}: begins at noise level ${first}, but those of a rectified-flow model end at 1; choose Simple or Automatic, and 0 for the highest sigma.`,
    { details: { schedule: id, sigma: first } },
  );
}

/**
 * Flow time ends at 0 itself, so the 0 that Uniform appends repeats its last level: of n steps the last has no length
 * (0/0 in Forge; dropped here). One level more is asked for then, and n steps are walked.
 * Source: ComfyUI comfy/samplers.py normal_scheduler, which does the same where the last level is 0.
 */
function walkedLevels(schedule: ScheduleDef, n: number, request: SigmaRequest): number[] {
  const levels = runSchedule(schedule, n, request);
  return n > 1 && levels.at(-2) === 0 ? runSchedule(schedule, n + 1, request).slice(0, -1) : levels;
}

/** One schedule with the user's range and parameters, without sampler rules. @throws as computeSigmas */
export function runSchedule(
  schedule: ScheduleDef,
  n: number,
  request: Pick<SigmaRequest, 'model' | 'sigmaMin' | 'sigmaMax' | 'rho' | 'betaAlpha' | 'betaBeta'>,
): number[] {
  const { model, rho, betaAlpha, betaBeta } = request;
  const range = {
    sigmaMin: positiveOr(request.sigmaMin, model.sigmaMin),
    sigmaMax: positiveOr(request.sigmaMax, model.sigmaMax),
  };
  if (!(range.sigmaMin > 0 && range.sigmaMin <= range.sigmaMax && Number.isFinite(range.sigmaMax))) {
    throw new AppError(
      'argument/invalid',
      `schedule ${schedule.id}: the noise range must be positive and ascending, got ${range.sigmaMin}..${range.sigmaMax}; set both to 0 for the model's own.`,
      { details: { schedule: schedule.id, ...range } },
    );
  }
  if (rho !== undefined && !(rho >= 0 && rho <= 100)) {
    throw new AppError('argument/invalid', `schedule ${schedule.id}: rho must be in 0..100 (0 = default), got ${rho}.`);
  }
  return schedule.run(n, model, range, {
    ...(rho ? { rho } : {}),
    ...(betaAlpha ? { betaAlpha } : {}),
    ...(betaBeta ? { betaBeta } : {}),
  });
}

function positiveOr(value: number | undefined, fallback: number): number {
  return value === undefined || value === 0 ? fallback : value;
}

/**
 * Trained steps the web UIs' timestep samplers visit, ascending. Not always `steps` long: 30 gives 31 entries.
 * Source: A1111 CompVis get_timesteps: clip(range(0, T, T/steps) + 1, 0, T - 1)
 */
export function timestepGrid(steps: number, trainSteps = 1000): number[] {
  checkSteps('timestep grid', steps);
  const stride = Math.max(Math.floor(trainSteps / steps), 1);
  const grid: number[] = [];
  for (let t = 0; t < trainSteps; t += stride) grid.push(Math.min(t + 1, trainSteps - 1));
  return grid;
}
