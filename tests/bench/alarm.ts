/** Figures of a run against stored ones: what was counted may not grow at all, what was measured only so far. */
import { readFileSync } from 'node:fs';
import type { BenchReport, BenchRow } from './report';

/** Largest value that is no alarm, by the figure's name. Times depend on the machine and what else it does. */
const LIMITS: Readonly<Record<string, (baseline: number) => number>> = {
  readBytes: (bytes) => bytes,
  deviceBytes: (bytes) => bytes,
  heapBytes: (bytes) => 1.5 * bytes + 32 * 2 ** 20,
  seconds: (seconds) => 5 * seconds + 10,
};

function baselineOf(file: string): BenchReport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as BenchReport;
  } catch {
    return undefined;
  }
}

/** One line per figure that worsened beyond its limit; rows and figures that the baseline lacks are new, not worse. */
export function worsened(rows: readonly BenchRow[], baseline: readonly BenchRow[]): string[] {
  const known = new Map(baseline.map((row) => [row.name, row.figures ?? {}]));
  return rows.flatMap(({ name, figures = {} }) =>
    Object.entries(figures).flatMap(([figure, value]) => {
      const before = known.get(name)?.[figure];
      const limit = before === undefined ? undefined : LIMITS[figure]?.(before);
      if (before === undefined || limit === undefined || value <= limit) return [];
      const more = before === 0 ? 'from nothing' : `${(100 * (value / before - 1)).toFixed(1)} % more`;
      return [`${name}: ${figure} ${before} -> ${value} (${more}; at most ${Math.round(limit)})`];
    }),
  );
}

/** Compares with a stored report; says so when there is none. */
export function alarms(rows: readonly BenchRow[], file: string): readonly string[] {
  const baseline = baselineOf(file);
  if (baseline) return worsened(rows, baseline.rows);
  console.error(`no baseline in ${file}: nothing was compared`);
  return [];
}

/** Rows of a stored report with those of a run in their place: a run of some parts leaves the others as they were. */
export function renewed(rows: readonly BenchRow[], file: string): readonly BenchRow[] {
  const made = new Map(rows.map((row) => [row.name, row]));
  const kept = (baselineOf(file)?.rows ?? []).map((row) => made.get(row.name) ?? row);
  const known = new Set(kept.map(({ name }) => name));
  return [...kept, ...rows.filter(({ name }) => !known.has(name))];
}
