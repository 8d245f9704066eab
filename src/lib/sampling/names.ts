import { samplers, type SamplerId } from './registry';
import { schedules, type ScheduleChoice, type ScheduleId } from './schedule_registry';
export function resolveSamplerName(text: string): { sampler: SamplerId; schedule?: ScheduleId; notices: string[] } {
  const s = samplers.find((x) => x.id === text || x.label === text);
  return { sampler: s?.id ?? 'euler', notices: [] };
}
export function resolveScheduleName(text: string): { schedule: ScheduleChoice; notices: string[] } {
  const s = schedules.find((x) => x.id === text || x.label === text);
  return { schedule: s?.id ?? 'automatic', notices: [] };
}
