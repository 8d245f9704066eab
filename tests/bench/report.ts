/** What every bench prints and writes: one table, one JSON shape. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { resolve } from 'node:path';

export interface BenchRow {
  readonly name: string;
  readonly ours: number;
  readonly unit: string;
  readonly baseline?: number;
  readonly baselineName?: string;
  /** How many times better than the baseline, > 1 is better; measured in the same run. */
  readonly ratio?: number;
  readonly nmse?: number;
  readonly note?: string;
  /** What a later run may not exceed, see `alarm.ts`. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface BenchReport {
  readonly bench: string;
  readonly date: string;
  readonly device: Readonly<Record<string, string | number>>;
  readonly browser: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly BenchRow[];
  readonly summary?: unknown;
}

const root = resolve(import.meta.dirname, '../..');

/** This machine, without its name. */
export function deviceFacts(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
  };
}

/** Versions of what is measured. */
export function versionFacts(): Record<string, string> {
  const installed = (name: string): string => {
    try {
      const text = readFileSync(resolve(root, 'node_modules', name, 'package.json'), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      return 'not installed';
    }
  };
  let commit = 'unknown';
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    // Outside a checkout there is no commit to name.
  }
  return {
    sketchforge: commit,
    node: process.version,
    'onnxruntime-web': installed('onnxruntime-web'),
    'onnxruntime-node': installed('onnxruntime-node'),
  };
}

const number = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(3);

/** Markdown. */
export function tableOf(report: BenchReport): string {
  const lines = [
    `${report.bench}, ${report.date}, ${Object.values(report.device).join(', ')}${report.browser ? `, ${report.browser}` : ''}`,
    '',
    '| what | ours | baseline | ratio | note |',
    '|---|---:|---:|---:|---|',
  ];
  for (const row of report.rows) {
    const baseline =
      row.baseline === undefined ? '' : `${number(row.baseline)} ${row.unit} (${row.baselineName ?? ''})`;
    const ratio = row.ratio === undefined ? '' : `${row.ratio.toFixed(2)}x`;
    const nmse = row.nmse === undefined ? '' : `NMSE ${row.nmse.toExponential(1)} `;
    lines.push(`| ${row.name} | ${number(row.ours)} ${row.unit} | ${baseline} | ${ratio} | ${nmse}${row.note ?? ''} |`);
  }
  return lines.join('\n');
}
