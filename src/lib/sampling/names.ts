/**
 * From a name in a file, a request or a pasted text to a sampler and a schedule: labels, aliases, ComfyUI and
 * stable-diffusion.cpp ids, and the old combined names. Unknown names are reported, never replaced.
 */
import { AppError } from '../base/errors';
import type { GivenOptions } from './options';
import { samplers, type SamplerId } from './registry';
import type { SamplerDef } from './sampler';
import type { ScheduleDef } from './schedule';
import { schedules, type ScheduleChoice } from './schedule_registry';

export interface ResolvedNames {
  readonly sampler: SamplerId;
  readonly schedule: ScheduleChoice;
  /** Options the name implies, for example the UniPC variant. */
  readonly options: GivenOptions;
  /** Set when an old or foreign name was understood: what it was read as. */
  readonly notice?: string;
}

/** What a job or text that names no sampler means, as in the web UIs. */
export const DEFAULT_SAMPLER: SamplerId = 'dpmpp_2m';

/**
 * Resolves both names of a job. A schedule inside the sampler's name wins over the separate one.
 * Empty names mean the default sampler and Automatic.
 * @throws AppError 'sampler/unknown' with the nearest known name
 */
export function resolveNames(samplerText: string | null | undefined, scheduleText?: string | null): ResolvedNames {
  const named = resolveSamplerName(samplerText ?? '');
  if (named.schedule !== undefined) return { ...named, schedule: named.schedule };
  return { ...named, schedule: resolveScheduleName(scheduleText ?? '') };
}

/**
 * A sampler name, with the schedule when the name contains one (`DPM++ 2M Karras`, `dpmpp_2m_karras`).
 * @throws AppError 'sampler/unknown'
 */
export function resolveSamplerName(
  text: string,
): Omit<ResolvedNames, 'schedule'> & { readonly schedule?: ScheduleChoice } {
  const wanted = normalise(text);
  // Civitai writes this for Flux pictures.
  if (wanted === 'undefined') {
    return { sampler: 'euler', schedule: 'simple', options: {}, notice: `"${text}" was read as Euler with Simple.` };
  }
  let rest = wanted;
  let schedule: ScheduleChoice | undefined;
  for (;;) {
    const sampler = findSampler(rest);
    if (sampler !== undefined) return found(text, wanted, sampler, schedule);
    const cut = cutSchedule(rest);
    if (cut === undefined) break;
    // The schedule next to the sampler wins when there are several.
    [rest, schedule] = [cut.rest, cut.schedule];
  }
  throw unknown('sampler', text, [...samplers.map((s) => s.label)]);
}

/**
 * A schedule by label, alias or foreign id; empty means Automatic.
 * @throws AppError 'sampler/unknown'
 */
export function resolveScheduleName(text: string): ScheduleChoice {
  const wanted = normalise(text);
  if (wanted === '') return 'automatic';
  const schedule = scheduleNames().get(wanted);
  if (schedule !== undefined) return schedule;
  throw unknown('schedule', text, ['Automatic', ...schedules.map((s) => s.label)]);
}

/** The schedule to show beside a sampler: its own preference is shown as Automatic, as the web UIs do for pasted texts. */
export function shownSchedule(sampler: SamplerDef, schedule: ScheduleChoice): ScheduleChoice {
  return schedule === sampler.preferredSchedule && schedule !== 'uniform' ? 'automatic' : schedule;
}

export function scheduleLabel(choice: ScheduleChoice): string {
  return choice === 'automatic' ? 'Automatic' : (schedules.find((s) => s.id === choice)?.label ?? choice);
}

/** Record of the web UIs' `GET /sdapi/v1/samplers`. */
export interface SamplerRecord {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly options: Readonly<Record<string, string | boolean>>;
}

export function samplerRecord(sampler: SamplerDef): SamplerRecord {
  const solver = sampler.options['solverType'];
  return {
    name: sampler.label,
    aliases: sampler.aliases,
    options: {
      ...(sampler.preferredSchedule === 'uniform' ? {} : { scheduler: sampler.preferredSchedule }),
      ...(sampler.secondOrder ? { second_order: true } : {}),
      ...(sampler.brownian ? { brownian_noise: true } : {}),
      ...(sampler.usesEnsd ? { uses_ensd: true } : {}),
      ...(sampler.discardPenultimate ? { discard_next_to_last_sigma: true } : {}),
      ...(solver?.kind === 'choice' && solver.default !== solver.choices[0] ? { solver_type: solver.default } : {}),
    },
  };
}

function normalise(text: string): string {
  return text.trim().toLowerCase().replace(/\s+/g, ' ');
}

function found(
  text: string,
  wanted: string,
  sampler: SamplerDef,
  schedule: ScheduleChoice | undefined,
): Omit<ResolvedNames, 'schedule'> & { readonly schedule?: ScheduleChoice } {
  const plain =
    wanted === '' ||
    wanted === sampler.label.toLowerCase() ||
    sampler.aliases.includes(wanted) ||
    wanted === sampler.id;
  const read = schedule === undefined ? sampler.label : `${sampler.label} with ${scheduleLabel(schedule)}`;
  return {
    sampler: sampler.id as SamplerId,
    options: wanted.startsWith('uni_pc_bh2') ? { variant: 'bh2' } : {},
    ...(schedule === undefined ? {} : { schedule }),
    ...(plain ? {} : { notice: `"${text}" was read as ${read}.` }),
  };
}

function findSampler(name: string): SamplerDef | undefined {
  const list: readonly SamplerDef[] = samplers;
  if (name === '') return list.find((s) => s.id === DEFAULT_SAMPLER);
  const has = (names: readonly string[] | undefined): boolean => names?.includes(name) === true;
  return (
    list.find((s) => s.label.toLowerCase() === name) ??
    list.find((s) => s.id === name || has(s.aliases)) ??
    list.find((s) => has(s.comfyui) || has(s.sdcpp)) ??
    // ComfyUI's CPU/GPU noise variants.
    (name.endsWith('_gpu') ? findSampler(name.slice(0, -4)) : undefined)
  );
}

/** Every name of a schedule, lower case; ids and labels before foreign names. */
function scheduleNames(): Map<string, ScheduleChoice> {
  const names = new Map<string, ScheduleChoice>([['automatic', 'automatic']]);
  const add = (name: string, id: ScheduleChoice): void => {
    if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), id);
  };
  for (const s of schedules) [s.label, s.id, ...s.aliases].forEach((name) => add(name, s.id));
  for (const s of schedules as readonly ScheduleDef[]) {
    [...(s.comfyui ?? []), ...(s.sdcpp ?? [])].forEach((name) => add(name, s.id as ScheduleChoice));
  }
  return names;
}

/** Splits the longest schedule name off the end: after a space, after `_` for ids, or the old `_ka` and `_exp`. */
function cutSchedule(name: string): { rest: string; schedule: ScheduleChoice } | undefined {
  const names = [...scheduleNames()].sort(([a], [b]) => b.length - a.length);
  for (const [schedule, id] of names) {
    if (name === schedule) return { rest: '', schedule: id };
    if (name.endsWith(` ${schedule}`) || name.endsWith(`_${schedule}`)) {
      return { rest: name.slice(0, -schedule.length - 1), schedule: id };
    }
  }
  if (name.startsWith('k_') && name.endsWith('_ka')) return { rest: name.slice(0, -3), schedule: 'karras' };
  if (name.startsWith('k_') && name.endsWith('_exp')) return { rest: name.slice(0, -4), schedule: 'exponential' };
  return undefined;
}

function unknown(what: string, text: string, known: readonly string[]): AppError {
  const shortened = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  const nearest = known.reduce(
    (best, name) => (distance(name, text) < distance(best, text) ? name : best),
    known[0] ?? '',
  );
  return new AppError('sampler/unknown', `${what}: "${shortened}" is not known; did you mean ${nearest}?`, {
    details: { kind: what, name: shortened, nearest },
  });
}

/** Edit distance without regard to case; texts are cut to 40 characters, enough to tell names apart. */
function distance(a: string, b: string): number {
  const [s, t] = [normalise(a).slice(0, 40), normalise(b).slice(0, 40)];
  let row = Array.from({ length: t.length + 1 }, (_, j) => j);
  for (let i = 1; i <= s.length; i++) {
    const next = [i];
    for (let j = 1; j <= t.length; j++) {
      const substitute = (row[j - 1] as number) + (s[i - 1] === t[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[t.length] as number;
}
