/** Limits, choices and conditions that several parameters share. */
import { samplers } from '../../../sampling/registry';
import type { ScheduleDef } from '../../../sampling/schedule';
import { schedules } from '../../../sampling/schedule_registry';
import type { Choice, ParameterContext } from '../parameter';

/** Larger pictures are the work of upscalers. */
export const MAX_SIDE_PX = 4096;

export const samplerChoices: readonly Choice[] = samplers.map(({ id, label }) => ({ id, label }));
export const scheduleChoices = ({ model }: ParameterContext): readonly Choice[] => [
  { id: 'automatic', key: 'params.automatic' },
  ...(schedules as readonly ScheduleDef[])
    .filter(({ notForFlow }) => !(notForFlow && model?.prediction === 'flow'))
    .map(({ id, label }) => ({ id, label })),
];
export const asFirstPass = { id: '', key: 'params.asFirstPass' } as const satisfies Choice;

/** A name that is the same in every language. */
export const literal = (id: string): Choice => ({ id, label: id });
export const sizeStep = ({ model }: ParameterContext): number => model?.sizeStepPx ?? 8;
export const hiresOn = ({ parameters }: ParameterContext): boolean => parameters.hires !== undefined;
