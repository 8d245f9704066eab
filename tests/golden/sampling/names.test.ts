import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { resolveNames, samplerRecord, scheduleLabel, shownSchedule } from '../../../src/lib/sampling/names';
import { getSampler, samplers } from '../../../src/lib/sampling/registry';
import type { SamplerDef } from '../../../src/lib/sampling/sampler';
import type { ScheduleDef } from '../../../src/lib/sampling/schedule';
import { schedules } from '../../../src/lib/sampling/schedule_registry';
import { goldenDir, goldenGroup } from '../golden_dir';

type Pair = readonly [string, string];
interface NameCase {
  readonly kind: string;
  readonly sampler: string | null;
  readonly schedule: string | null;
  readonly infotext: Pair;
  readonly job: Pair;
  readonly target?: Pair;
}

function load<T>(file: string): T | undefined {
  const folder = goldenGroup('text');
  const path = folder === undefined ? undefined : join(folder, 'samplers', file);
  return path !== undefined && existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
}

/**
 * The original replaces what it does not know by its first sampler or by Automatic, silently. It shows in its own
 * answer: the sampler is not what the text starts with, or a schedule was asked for and Automatic came back.
 */
function originalGaveUp(c: NameCase): boolean {
  const text = (c.sampler ?? '').trim();
  const [sampler, schedule] = c.job;
  const lostSampler = text !== '' && !text.toLowerCase().startsWith(sampler.toLowerCase());
  const lostSchedule =
    Boolean(c.schedule) && schedule === 'Automatic' && !/automatic/i.test(`${text} ${c.schedule ?? ''}`);
  // What follows the sampler's name must be the schedule; else a part of the text was dropped on the way.
  const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const rest = bare(text.slice(sampler.length));
  const lostPart = text !== '' && !lostSampler && rest !== '' && !rest.startsWith(bare(schedule));
  return lostSampler || lostSchedule || lostPart;
}

function resolved(c: NameCase): { job: Pair; shown: Pair } | 'unknown' {
  try {
    const names = resolveNames(c.sampler, c.schedule);
    const sampler = getSampler(names.sampler);
    return {
      job: [sampler.label, scheduleLabel(names.schedule)],
      shown: [sampler.label, scheduleLabel(shownSchedule(sampler, names.schedule))],
    };
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe('sampler/unknown');
    return 'unknown';
  }
}

const resolve = load<{ cases: NameCase[] }>('resolve.json');
describe('golden text/samplers/resolve', () => {
  if (resolve === undefined) it.skip(`no sampler names in ${goldenDir}`, () => undefined);
  for (const c of resolve?.cases ?? []) {
    it(`${c.kind}: ${String(c.sampler)} | ${String(c.schedule)}`, () => {
      const mine = resolved(c);
      if (c.target !== undefined) {
        if (c.target.includes('?')) expect(mine).toBe('unknown');
        else expect(mine).toMatchObject({ job: c.target });
      } else if (originalGaveUp(c)) {
        // Here the name is understood in full or reported; a replacement would be an error.
        if (mine !== 'unknown') expect((c.sampler ?? '').trim().toLowerCase()).toContain(mine.job[1].toLowerCase());
      } else {
        expect(mine).toEqual({ job: c.job, shown: c.infotext });
      }
    });
  }
});

interface Aliases {
  readonly samplers: readonly {
    label: string;
    aliases: string[];
    default_schedule: string | null;
    options: object;
    model_calls_per_step: number;
    legacy_names: string[];
    legacy_aliases: Record<string, string>;
    comfyui: string[];
    sdcpp: string[];
    brownian_noise: boolean;
    uses_ensd: boolean;
    discard_next_to_last_sigma: boolean;
    kind: string;
  }[];
  readonly schedules: readonly {
    id: string;
    label: string;
    aliases: string[];
    default_rho: number;
    comfyui: string[];
    sdcpp: string[];
  }[];
}

const aliases = load<Aliases>('aliases.json');
describe('golden text/samplers/aliases', () => {
  if (aliases === undefined) it.skip(`no sampler aliases in ${goldenDir}`, () => undefined);
  aliases?.samplers.forEach((row, index) => {
    it(row.label, () => {
      const sampler: SamplerDef | undefined = samplers.find((s) => s.label === row.label);
      expect(sampler).toBeDefined();
      expect(samplers.indexOf(sampler as (typeof samplers)[number]), 'menu order').toBe(index);
      expect(samplerRecord(sampler!)).toEqual({ name: row.label, aliases: row.aliases, options: row.options });
      expect(sampler!.timestepGrid === true ? 'timestep' : 'sigma').toBe(row.kind);
      if (row.kind === 'sigma' && row.label !== 'HeunPP2' && row.label !== 'DPM adaptive') {
        // The table says 1 for these two, which make up to 3 calls; progress needs the real number.
        expect(sampler!.callsPerStep).toBe(row.model_calls_per_step);
      }
      for (const name of [row.label, ...row.aliases, ...row.comfyui, ...row.sdcpp]) {
        expect(resolveNames(name).sampler, name).toBe(sampler!.id);
      }
      for (const name of [...row.legacy_names, ...Object.keys(row.legacy_aliases)]) {
        const names = resolveNames(name);
        expect(names.sampler, name).toBe(sampler!.id);
        expect(names.schedule, name).not.toBe('automatic');
        expect(names.notice, name).toBeDefined();
      }
    });
  });
  for (const row of aliases?.schedules ?? []) {
    it(`schedule ${row.label}`, () => {
      for (const name of [row.id, row.label, ...row.aliases, ...row.comfyui, ...row.sdcpp]) {
        expect(resolveNames('Euler', name).schedule, name).toBe(row.id);
      }
      const schedule: ScheduleDef | undefined = schedules.find((s) => s.id === row.id);
      if (row.id !== 'automatic') expect(schedule?.defaultRho ?? -1).toBe(row.default_rho);
    });
  }
});
