/**
 * `npm run bench -- NAME [words] [--json FILE]`: one file per bench, one line here. Benches with a baseline end with an
 * error when a figure of theirs has worsened; `--save-baseline` takes the figures of this run from now on.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alarms, renewed } from './alarm';
import { deviceFacts, tableOf, versionFacts, type BenchReport, type BenchRow } from './report';

export interface BenchResult {
  readonly rows: readonly BenchRow[];
  readonly browser?: string;
  readonly device?: Readonly<Record<string, string | number>>;
  /** A second table behind the rows, and the same as data. */
  readonly summary?: { readonly table: string; readonly data: unknown };
  /** What is out of bounds whatever the baseline says. */
  readonly failures?: readonly string[];
}

interface BenchModule {
  /** Words behind the name, options included. */
  bench(words: readonly string[]): Promise<BenchResult>;
}

interface Bench {
  readonly about: string;
  readonly load: () => Promise<BenchModule>;
  /** Stored figures in `codex/bench`. */
  readonly baseline?: string;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  e2e: { about: 'cold start, picture, step, threads, efficiency of the default model', load: () => import('./e2e') },
  start: {
    about: 'address to first picture, first and next visit; --against DIR: another build',
    load: () => import('./start'),
  },
  text: { about: 'prompts, infotexts, sampler arithmetic; --webgpu, --software', load: () => import('./text') },
  canvas: { about: 'pen to ink on the built page: at rest, live, while generating', load: () => import('./canvas') },
  gallery: { about: 'a frame of scrolling through 10,000 pictures', load: () => import('./gallery') },
  lora: {
    about: 'three LoRAs on a quantized block against merged weights; --webgpu',
    load: () => import('./lora'),
  },
  reload: {
    about: 'loads, switches, adapters, a 4 GB file in Chromium: bytes read, heap, device memory; alarm',
    load: () => import('./reload'),
    baseline: 'reload_baseline.json',
  },
  import: {
    about: 'a file of 4 GiB downloaded and copied into the store: JavaScript memory of page and workers; --gib, --from',
    load: () => import('./import'),
  },
  kernels: {
    about: 'WGSL kernels against onnxruntime-web on WebGPU; --software, --node',
    load: () => import('./kernels'),
  },
  shapes: {
    about: 'published models without weights: operations, planned memory, fit; --blocks: single blocks on the device',
    load: () => import('./shapes'),
  },
};

const words = process.argv.slice(2);
const [name] = words;
const usage = [
  'npm run bench -- NAME [--json FILE]',
  ...Object.entries(BENCHES).map(([id, { about }]) => `  ${id.padEnd(10)} ${about}`),
].join('\n');
if (words.includes('--help') || name === undefined) {
  console.log(usage);
  process.exit(name === undefined && !words.includes('--help') ? 2 : 0);
}
const chosen = BENCHES[name];
if (!chosen) {
  console.error(`${name} is not a bench.\n${usage}`);
  process.exit(2);
}
const jsonAt = words.indexOf('--json');
const file = jsonAt < 0 ? undefined : words[jsonAt + 1];
if (jsonAt >= 0 && file === undefined) {
  console.error('--json needs a file');
  process.exit(2);
}
const rest = words
  .slice(1)
  .filter((word, i) => word !== '--save-baseline' && (jsonAt < 0 || (i + 1 !== jsonAt && i + 1 !== jsonAt + 1)));
const result = await (await chosen.load()).bench(rest);
const report: BenchReport = {
  bench: name,
  date: new Date().toISOString().slice(0, 10),
  device: result.device ?? deviceFacts(),
  browser: result.browser ?? '',
  versions: versionFacts(),
  rows: result.rows,
  ...(result.summary ? { summary: result.summary.data } : {}),
};
console.log(tableOf(report));
if (result.summary) console.log(`\n${result.summary.table}`);
const written = (one: BenchReport) => `${JSON.stringify(one, undefined, 2)}\n`;
if (file !== undefined) await writeFile(file, written(report));
const worse = [...(result.failures ?? [])];
if (chosen.baseline !== undefined) {
  const path = join(import.meta.dirname, '../../codex/bench', chosen.baseline);
  if (words.includes('--save-baseline'))
    await writeFile(path, written({ ...report, rows: renewed(result.rows, path) }));
  else worse.push(...alarms(result.rows, path));
}
for (const line of worse) console.error(`WORSE ${line}`);
// Native runtimes keep threads alive.
process.exit(worse.length > 0 ? 1 : 0);
