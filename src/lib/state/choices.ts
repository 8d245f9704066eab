/** What menus offer, derived from the registries. */
import { samplers } from '../sampling/registry';
import { schedules } from '../sampling/schedule_registry';

export interface Choice {
  readonly id: string;
  readonly label: string;
}

export const samplerChoices: readonly Choice[] = samplers.map(({ id, label }) => ({ id, label }));
export const scheduleChoices: readonly Choice[] = schedules.map(({ id, label }) => ({ id, label }));
