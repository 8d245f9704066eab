/** The schedule contract: from a number of steps and a model to a descending list of noise levels, in float64. */
import { AppError } from '../base/errors';
import type { ModelSampling } from './model_sampling';
import type { SigmaRange } from './sampler';

/** Parameters some schedules take; the others ignore them. */
export interface ScheduleParams {
  /** Bend of Karras (default 7) and Polyexponential (default 1). */
  readonly rho?: number;
  /** Shape of the Beta schedule, default 0.6 each. */
  readonly betaAlpha?: number;
  readonly betaBeta?: number;
}

export interface ScheduleMeta<Id extends string = string> {
  readonly id: Id;
  readonly label: string;
  readonly aliases: readonly string[];
  readonly comfyui?: readonly string[];
  readonly sdcpp?: readonly string[];
  /** Default of the rho parameter; -1 when the schedule has none (as the web UIs' API reports it). */
  readonly defaultRho?: number;
  /** Uses the model's trained levels, not only the range. */
  readonly needsModel?: boolean;
  /** A table whose levels begin near 14.6, beyond a rectified-flow model's time: refused there, and not in its menu. */
  readonly notForFlow?: true;
  /** In the menu of the web UIs; the others come from ComfyUI. */
  readonly webui?: boolean;
  readonly source: string;
}

export interface ScheduleDef<Id extends string = string> extends ScheduleMeta<Id> {
  /** n >= 1 steps; returns n + 1 levels as a rule (see the schedule's description for exceptions), the last usually 0. */
  readonly run: (n: number, model: ModelSampling, range: SigmaRange, params: ScheduleParams) => number[];
}

/** Registers a schedule formula. */
export function defineSchedule<const Id extends string>(
  meta: ScheduleMeta<Id>,
  run: ScheduleDef['run'],
): ScheduleDef<Id> {
  return { ...meta, run };
}

/** n evenly spaced values from a to b, both included; n = 1 gives a alone. */
export function linspace(a: number, b: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => (n === 1 ? a : a + ((b - a) * i) / (n - 1)));
}

/** Position of step i of n on a ramp 0..1; 0 for a single step. */
export function ramp(i: number, n: number): number {
  return n > 1 ? i / (n - 1) : 0;
}

const MAX_STEPS = 1000;

/** @throws AppError 'argument/invalid' unless steps is a whole number in 1..1000 */
export function checkSteps(where: string, steps: number): void {
  if (Number.isInteger(steps) && steps >= 1 && steps <= MAX_STEPS) return;
  throw new AppError('argument/invalid', `${where}: steps must be a whole number in 1..${MAX_STEPS}, got ${steps}.`, {
    details: { steps },
  });
}
