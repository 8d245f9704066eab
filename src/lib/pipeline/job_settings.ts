/** Checks a request against the model and the registries and fills in what it leaves open. Pure. */
import { AppError } from '../base/errors';
import type { DetectedModel } from '../models/family';
import type { GenerateRequest } from '../rpc/engine';
import { getSampler } from '../sampling/registry';
import { resolveNames } from '../sampling/names';
import type { GivenOptions } from '../sampling/options';
import type { SamplerDef } from '../sampling/sampler';
import type { ScheduleChoice } from '../sampling/schedule_registry';

/** Limits of the page and of every other caller. */
export const LIMITS = {
  steps: { min: 1, max: 150 },
  cfgScale: { min: -30, max: 1000 },
  batchSize: { min: 1, max: 16 },
  batchCount: { min: 1, max: 1000 },
  sidePx: { min: 64, max: 4096 },
  clipSkip: { min: 1, max: 12 },
} as const;

export interface JobSettings {
  readonly request: GenerateRequest;
  readonly sampler: SamplerDef;
  readonly schedule: ScheduleChoice;
  /** The user's, completed by what the sampler's name implies. */
  readonly samplerOptions: GivenOptions;
  /** Of the first picture; picture i uses seed + i. */
  readonly seed: number;
  readonly notices: readonly string[];
}

/**
 * @throws AppError 'argument/invalid' naming the field, what it may be and what it was; 'sampler/unknown'
 */
export function jobSettings(request: GenerateRequest, model: DetectedModel, randomSeed: () => number): JobSettings {
  const whole = (name: keyof typeof LIMITS, value: number) => {
    const { min, max } = LIMITS[name];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw invalid(name, `a whole number in ${min}..${max}`, value);
    }
  };
  whole('steps', request.steps);
  whole('batchSize', request.batchSize);
  whole('batchCount', request.batchCount);
  whole('clipSkip', request.clipSkip);
  const { min, max } = LIMITS.cfgScale;
  if (!Number.isFinite(request.cfgScale) || request.cfgScale < min || request.cfgScale > max) {
    throw invalid('CFG scale', `a number in ${min}..${max}`, request.cfgScale);
  }
  const { multiple } = model.latent;
  for (const [name, value] of [
    ['width', request.widthPx],
    ['height', request.heightPx],
  ] as const) {
    const fits = Number.isInteger(value) && value >= LIMITS.sidePx.min && value <= LIMITS.sidePx.max;
    if (!fits || value % multiple !== 0) {
      const { min: least, max: most } = LIMITS.sidePx;
      const steps = Math.round((Number.isFinite(value) ? value : model.defaults[`${name}Px`]) / multiple);
      const nearest = multiple * Math.min(Math.max(steps, Math.ceil(least / multiple)), Math.floor(most / multiple));
      throw invalid(name, `a multiple of ${multiple} in ${least}..${most} (nearest: ${nearest})`, value, { nearest });
    }
  }
  if (!Number.isSafeInteger(request.seed) || request.seed < -1) {
    throw invalid('seed', '-1 (random) or a whole number up to 2^53 - 1', request.seed);
  }
  if (request.init && !(request.init.strength >= 0 && request.init.strength <= 1)) {
    throw invalid('denoising strength', 'a number in 0..1', request.init.strength);
  }
  const named = resolveNames(request.sampler, request.schedule);
  return {
    request,
    sampler: getSampler(named.sampler),
    schedule: named.schedule,
    samplerOptions: { ...named.options, ...request.samplerOptions },
    seed: request.seed === -1 ? randomSeed() : request.seed,
    notices: named.notice === undefined ? [] : [named.notice],
  };
}

function invalid(field: string, rule: string, got: unknown, more: Readonly<Record<string, unknown>> = {}): AppError {
  return new AppError('argument/invalid', `${field}: must be ${rule}, got ${String(got)}.`, {
    details: { field, got, ...more },
  });
}
