/** Sampler and schedule of read parameters: names of all programs and times, resolved by the sampler registry. */
import { AppError } from '../base/errors';
import { DEFAULT_SAMPLER, resolveSamplerName, resolveScheduleName } from '../sampling/names';
import type { SamplerId } from '../sampling/registry';
import type { ScheduleChoice } from '../sampling/schedule_registry';
import type { GenerationParameters } from './parameters';

export interface ReadSampler {
  readonly sampler: SamplerId;
  readonly schedule: ScheduleChoice;
  /** An old or foreign name was understood. */
  readonly notices: readonly string[];
  /** Names that nobody knows; the default stands in for them and the user must be told. */
  readonly problems: readonly AppError[];
}

/** Never throws: what is unknown becomes a problem. A schedule inside the sampler's name wins. */
export function readSampler(parameters: Pick<GenerationParameters, 'sampler' | 'schedule'>): ReadSampler {
  const problems: AppError[] = [];
  const attempt = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const named = attempt(() => resolveSamplerName(parameters.sampler ?? ''));
  const written = attempt(() => resolveScheduleName(parameters.schedule ?? ''));
  return {
    sampler: named?.sampler ?? DEFAULT_SAMPLER,
    schedule: named?.schedule ?? written ?? 'automatic',
    notices: named?.notice === undefined ? [] : [named.notice],
    problems,
  };
}
