/** Checks a request against the model and the registries and fills in what it leaves open. Pure. */
import { AppError } from '../base/errors';
import type { DetectedModel } from '../models/family';
import type { GenerateRequest, HiresRequest } from '../rpc/engine';
import { resolveGuidance } from '../sampling/guidance/methods';
import { getSampler } from '../sampling/registry';
import { resolveNames, resolveScheduleName, type ResolvedNames } from '../sampling/names';
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
  /** The second pass's, where there is one. */
  readonly hires?: HiresSettings;
  readonly notices: readonly string[];
}

export interface HiresSettings {
  readonly sampler: SamplerDef;
  readonly schedule: ScheduleChoice;
  readonly samplerOptions: GivenOptions;
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
  checkRules(request);
  const named = resolveNames(request.sampler, request.schedule);
  const hires = request.hires && hiresSettings(request.hires, named);
  const notices = [named.notice, hires?.notice].filter((notice) => notice !== undefined);
  if (request.init?.inpaint && request.hires)
    notices.push('Hires fix does nothing with a start picture; it was left out.');
  return {
    request,
    sampler: getSampler(named.sampler),
    schedule: named.schedule,
    samplerOptions: { ...named.options, ...request.samplerOptions },
    seed: request.seed === -1 ? randomSeed() : request.seed,
    ...(hires && !request.init ? { hires: hires.settings } : {}),
    notices,
  };
}

function hiresSettings(
  hires: HiresRequest,
  first: ResolvedNames,
): { settings: HiresSettings; notice?: string | undefined } {
  range('hires denoising strength', hires.strength, 0, 1);
  const { steps } = hires;
  if (!Number.isInteger(steps) || steps < 0 || steps > LIMITS.steps.max) {
    throw invalid('hires steps', `a whole number in 0..${LIMITS.steps.max} (0: as the first pass)`, steps);
  }
  if (hires.cfgScale !== undefined) range('hires CFG scale', hires.cfgScale, LIMITS.cfgScale.min, LIMITS.cfgScale.max);
  // An own sampler comes with Automatic unless a schedule is named, too.
  const named = hires.sampler === '' ? first : resolveNames(hires.sampler, '');
  const schedule = hires.schedule === '' ? named.schedule : resolveScheduleName(hires.schedule);
  return {
    settings: { sampler: getSampler(named.sampler), schedule, samplerOptions: named.options },
    notice: hires.sampler === '' ? undefined : named.notice,
  };
}

function checkRules(request: GenerateRequest): void {
  const { init, refiner, guidance, sigmas } = request;
  if (request.cfgRescale !== undefined) range('CFG rescale', request.cfgRescale, 0, 1);
  resolveGuidance(request.guidanceMethod ?? 'cfg', request.guidanceOptions ?? {});
  if (request.extraNoise !== undefined) range('extra noise', request.extraNoise, 0, 1);
  if (init?.noiseMultiplier !== undefined) range('noise multiplier', init.noiseMultiplier, 0, 1.5);
  if (refiner) range('refiner switch', refiner.switchAt, 0.01, 1);
  if (guidance?.skipEarly !== undefined) range('skip early CFG', guidance.skipEarly, 0, 1);
  if (guidance?.minUncondSigma !== undefined)
    range('minimum sigma of the negative prompt', guidance.minUncondSigma, 0, 1e6);
  if (guidance?.imageScale !== undefined) range('image CFG scale', guidance.imageScale, 0, 3);
  if (request.ensd !== undefined && !Number.isSafeInteger(request.ensd)) {
    throw invalid('eta noise seed delta', 'a whole number', request.ensd);
  }
  for (const [name, value] of Object.entries(sigmas ?? {})) {
    if (typeof value === 'number') range(`schedule ${name}`, value, 0, 1e6);
  }
  if (request.variation) range('variation strength', request.variation.strength, 0, 1);
}

function range(name: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) throw invalid(name, `a number in ${min}..${max}`, value);
}

function invalid(field: string, rule: string, got: unknown, more: Readonly<Record<string, unknown>> = {}): AppError {
  return new AppError('argument/invalid', `${field}: must be ${rule}, got ${String(got)}.`, {
    details: { field, got, ...more },
  });
}
