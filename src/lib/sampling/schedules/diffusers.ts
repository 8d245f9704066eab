/**
 * Schedules as diffusers' pipelines make them, for jobs that must match a diffusers script: sigmas interpolated
 * linearly in sigma (not in log sigma), and the flow pipelines' even grid with the shift applied afterwards.
 */
import { AppError } from '../../base/errors';
import { roundEven } from '../math';
import type { FlowModelOptions, ModelSampling } from '../model_sampling';
import { shiftFlow } from '../model_sampling';
import { checkSteps, linspace } from '../schedule';
import { beta, exponential, karrasSigmas } from './range_formulas';

export type DiffusersSpacing = 'linspace' | 'leading' | 'trailing';

/** Timesteps of diffusers' schedulers, descending. Source: diffusers EulerDiscreteScheduler.set_timesteps. */
export function diffusersTimesteps(spacing: DiffusersSpacing, steps: number, trainSteps = 1000, offset = 0): number[] {
  checkSteps('diffusers schedule', steps);
  switch (spacing) {
    case 'linspace':
      return linspace(0, trainSteps - 1, steps).reverse();
    case 'leading': {
      const stride = Math.floor(trainSteps / steps);
      return Array.from({ length: steps }, (_, i) => i * stride + offset).reverse();
    }
    case 'trailing':
      return Array.from({ length: steps }, (_, i) => roundEven(trainSteps - (i * trainSteps) / steps) - 1);
  }
  spacing satisfies never;
}

/** Sigma at a fractional timestep, linear in sigma. */
export function diffusersSigmaAt(model: ModelSampling, t: number): number {
  const last = model.sigmas.length - 1;
  const low = Math.min(Math.max(Math.floor(t), 0), last - 1);
  const w = Math.min(Math.max(t - low, 0), 1);
  return (1 - w) * (model.sigmas[low] as number) + w * (model.sigmas[low + 1] as number);
}

/**
 * Sigmas of diffusers' EulerDiscreteScheduler with linspace spacing: `uniform`, `karras`, `exponential` or `beta`.
 * The range of the last three is that of the uniform list.
 * @throws AppError 'argument/invalid' for another name
 */
export function diffusersSigmas(schedule: string, steps: number, model: ModelSampling): number[] {
  const uniform = diffusersTimesteps('linspace', steps, model.sigmas.length).map((t) => diffusersSigmaAt(model, t));
  const range = { sigmaMin: uniform[uniform.length - 1] as number, sigmaMax: uniform[0] as number };
  switch (schedule) {
    case 'uniform':
      return [...uniform, 0];
    case 'karras':
      return karrasSigmas(steps, range.sigmaMin, range.sigmaMax, 7);
    case 'exponential':
      return exponential.run(steps, model, range, {});
    case 'beta':
      return beta.run(steps, model, range, {});
    default:
      throw new AppError(
        'argument/invalid',
        `diffusers schedule: uniform, karras, exponential or beta, got ${schedule}.`,
      );
  }
}

/** Flow sigmas of diffusers' pipelines: linspace(1, 1/n, n), then the shift, then 0. */
export function diffusersFlowSigmas(steps: number, rule: NonNullable<FlowModelOptions['shift']>): number[] {
  checkSteps('diffusers schedule', steps);
  const shift = rule.kind === 'linear' ? rule.shift : Math.exp(rule.mu);
  return [...linspace(1, 1 / steps, steps).map((t) => shiftFlow(t, shift)), 0];
}
