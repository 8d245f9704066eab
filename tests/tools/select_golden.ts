/**
 * Copies a small selection of the golden data into tests/golden/data, in the same layout, so that a plain clone can run
 * the golden suites: `npx tsx tests/tools/select_golden.ts FROM [GROUP ...]`. One function per group; a group function
 * reads the index, picks cases by rule (never by name), copies the files they use and writes an index of the picked cases.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Copies one group from `from` (the group's folder) to `to` (empty). */
type SelectGroup = (from: string, to: string) => void;

const target = resolve(import.meta.dirname, '../golden/data');

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

function copy(from: string, to: string, file: string): void {
  mkdirSync(dirname(join(to, file)), { recursive: true });
  cpSync(join(from, file), join(to, file));
}

function write(to: string, file: string, text: string): void {
  mkdirSync(dirname(join(to, file)), { recursive: true });
  writeFileSync(join(to, file), text);
}

/** JSON with one case per line: small, and readable in a diff. */
function indexText(index: object, lists: readonly string[]): string {
  const fields = Object.entries(index).flatMap(([key, value]: [string, unknown]) => {
    if (value === undefined) return [];
    const lines = lists.includes(key) && Array.isArray(value) ? value.map((item) => JSON.stringify(item)) : undefined;
    return [`${JSON.stringify(key)}: ${lines ? `[\n${lines.join(',\n')}\n]` : JSON.stringify(value)}`];
  });
  return `{\n${fields.join(',\n')}\n}\n`;
}

/** The first item of each key, in order. */
function firstOfEach<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Map<string, T>();
  for (const item of items) if (!seen.has(key(item))) seen.set(key(item), item);
  return [...seen.values()];
}

interface SafetensorsEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Rewrites a well-formed safetensors file with some of its arrays, each cut to its first rows. */
function cutSafetensors(source: string, destination: string, rowsOf: (name: string) => number | undefined): void {
  const file = readFileSync(source);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerBytes).toString('utf8')) as Record<string, SafetensorsEntry>;
  const entries: Record<string, SafetensorsEntry> = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const [name, entry] of Object.entries(header)) {
    const limit = rowsOf(name);
    if (limit === undefined || name === '__metadata__') continue;
    const [rows = 1, ...rest] = entry.shape;
    const kept = Math.min(limit, rows);
    const bytes = ((entry.data_offsets[1] - entry.data_offsets[0]) / rows) * kept;
    entries[name] = { dtype: entry.dtype, shape: [kept, ...rest], data_offsets: [at, at + bytes] };
    parts.push(file.subarray(8 + headerBytes + entry.data_offsets[0]).subarray(0, bytes));
    at += bytes;
  }
  let text = JSON.stringify(entries);
  text += ' '.repeat((8 - (text.length % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  mkdirSync(dirname(destination), { recursive: true });
  writeFileSync(destination, Buffer.concat([length, Buffer.from(text), ...parts]));
}

interface QuantCase {
  readonly name: string;
  readonly kind: string;
  readonly file: string;
  readonly expected_file?: string;
  readonly inputs_file?: string;
  readonly rows?: number;
  readonly [field: string]: unknown;
}

/** Rows of 512 kept of each packed matrix: enough for every sub-block position. */
const QUANT_ROWS = 3;

/** Zero, all ones, subnormal and largest scales come first among the edge blocks. */
const EDGE_ROWS = 6;
/** Arrays of the expected files that dequantisation is compared with. */
const EXPECTED_ARRAYS = ['absmax', 'dequant_f32'];

/** GGML types with their first rows and edge blocks, the smallest bitsandbytes cases per layout, int8, fp8, tables. */
const selectQuant: SelectGroup = (from, to) => {
  const index = readJson<{ cases: QuantCase[] }>(join(from, 'index.json'));
  const size = (c: QuantCase) => statSync(join(from, c.file)).size;
  const ggml = index.cases.filter((c) => c.kind === 'ggml');
  for (const c of ggml) {
    const rows: Readonly<Record<string, number>> = {
      packed: QUANT_ROWS,
      dequant: QUANT_ROWS,
      'edge.packed': EDGE_ROWS,
      'edge.dequant': EDGE_ROWS,
    };
    cutSafetensors(join(from, c.file), join(to, c.file), (name) => rows[name]);
  }
  for (const file of new Set(ggml.flatMap((c) => c.inputs_file ?? []))) {
    cutSafetensors(join(from, file), join(to, file), (name) => (name === 'w_original' ? QUANT_ROWS : undefined));
  }
  const bnb4 = index.cases.filter((c) => c.kind === 'bnb4').sort((a, b) => size(a) - size(b));
  const parameter = (name: string) => (c: QuantCase) => String((c['params'] as Record<string, unknown>)[name]);
  const small = [
    ...new Set([...firstOfEach(bnb4, parameter('quant')), ...firstOfEach(bnb4, parameter('nested'))]),
    ...index.cases.filter((c) => ['bnb8', 'fp8'].includes(c.kind)),
    ...index.cases.filter((c) => c.kind === 'table'),
  ];
  for (const c of small) {
    copy(from, to, c.file);
    if (c.expected_file === undefined) continue;
    const wanted = (name: string) => (c.kind === 'fp8' || EXPECTED_ARRAYS.includes(name) ? Infinity : undefined);
    cutSafetensors(join(from, c.expected_file), join(to, c.expected_file), wanted);
  }
  const cut = ggml.map((c) => ({ ...c, rows: QUANT_ROWS, odd: undefined, edge_labels: undefined }));
  const cases = [...cut, ...small].map((c) => ({ ...c, observed_nmse: undefined, second_opinion: undefined }));
  write(to, 'index.json', indexText({ ...index, cases }, ['cases']));
};

interface FilesCase {
  readonly name: string;
  readonly format: string;
  readonly file: string;
  readonly error?: string;
  readonly expected: unknown;
}

/** A valid file may have this size at most; hostile ones are small by nature, the few large ones stay out. */
const MAX_VALID_BYTES = 3000;
const MAX_HOSTILE_BYTES = 4000;
const HOSTILE_PER_CLASS = 2;
const MUTATIONS_PER_FILE = 40;

/** Small valid files, the first hostile ones of each format and class, all recipes, and some mutations of each file. */
const selectFiles: SelectGroup = (from, to) => {
  const index = readJson<{ valid: FilesCase[]; hostile: FilesCase[]; generated: unknown[] }>(join(from, 'index.json'));
  const size = (c: FilesCase) => statSync(join(from, c.file)).size;
  const valid = index.valid.filter((c) => size(c) <= MAX_VALID_BYTES);
  const counts = new Map<string, number>();
  const hostile = index.hostile.filter((c) => {
    if (size(c) > MAX_HOSTILE_BYTES) return false;
    const key = `${c.format} ${c.error ?? 'either'}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return (counts.get(key) ?? 0) <= HOSTILE_PER_CLASS;
  });
  for (const c of [...valid, ...hostile]) {
    // Sharded and ONNX models have neighbours in a folder of their own.
    if (c.format === 'sharded' || c.format === 'onnx') {
      mkdirSync(join(to, dirname(c.file)), { recursive: true });
      cpSync(join(from, dirname(c.file)), join(to, dirname(c.file)), { recursive: true });
    } else {
      copy(from, to, c.file);
    }
  }
  // What other readers said is long and no test uses it.
  const short = (cases: readonly FilesCase[]) => cases.map((c) => ({ ...c, reference: undefined }));
  const picked = { ...index, valid: short(valid), hostile: short(hostile), counts: undefined };
  write(to, 'index.json', indexText(picked, ['valid', 'hostile', 'generated']));
  const mutations = readJson<{ files: { file: string; bytes: number; ops: unknown[] }[] }>(
    join(from, 'mutations.json'),
  );
  const files = mutations.files
    .filter((entry) => valid.some((c) => c.file === entry.file))
    .map((entry) => {
      const step = Math.max(1, Math.floor(entry.ops.length / MUTATIONS_PER_FILE));
      return { ...entry, ops: entry.ops.filter((_, i) => i % step === 0) };
    });
  write(to, 'mutations.json', JSON.stringify({ ...mutations, files }));
};

type SamplingCase = Record<string, unknown> & { readonly kind: string };

/** Steps of the runs that are kept: enough for every multistep start, small arrays. */
const SAMPLING_STEPS = 5;
const SCHEDULE_STEPS = 8;
const NOISE_DRAWS = 40;

/** One run per sampler, one list per schedule and model, one case per rule; the arrays they name and no others. */
const selectSampling: SelectGroup = (from, to) => {
  const field = (c: SamplingCase, name: string) => JSON.stringify(c[name] ?? '');
  const runs = (steps: number) => (cases: SamplingCase[]) =>
    firstOfEach(
      cases.filter((c) => !('error' in c) && (c['steps'] === steps || c['schedule'] === 'range only')).reverse(),
      (c) => `${c.kind} ${field(c, 'mode')} ${field(c, 'sampler')}`,
    );
  const perRule = (cases: SamplingCase[]) =>
    firstOfEach(
      cases,
      (c) => `${c.kind} ${['mode', 'prediction', 'label', 'dtype', 'threads'].map((k) => field(c, k)).join(' ')}`,
    );
  const perSchedule = (cases: SamplingCase[]) =>
    firstOfEach(
      cases.filter(
        (c) =>
          !('error' in c) && (c['steps'] === undefined || c['steps'] === SCHEDULE_STEPS || c.kind === 'schedule_range'),
      ),
      (c) =>
        `${c.kind} ${['model', 'schedule', 'sampler', 'rho', 'mu', 't', 'sigma', 'seq_len'].map((k) => field(c, k)).join(' ')}`,
    );
  const rules: Readonly<Record<string, (cases: SamplingCase[]) => SamplingCase[]>> = {
    'samplers-ve-kdiffusion': runs(SAMPLING_STEPS),
    'samplers-ve-forge': runs(SAMPLING_STEPS),
    'samplers-ve-comfy': runs(SAMPLING_STEPS),
    'samplers-flow': runs(SAMPLING_STEPS),
    'samplers-timestep': runs(SAMPLING_STEPS),
    'samplers-brownian': runs(2),
    schedules: perSchedule,
    rng: perRule,
    guidance: perRule,
    img2img: perRule,
    preview: (cases) => cases,
    noise: (cases) => cases,
  };
  for (const [name, rule] of Object.entries(rules)) {
    const index = readJson<{ cases: SamplingCase[] }>(join(from, `${name}.json`));
    // The float32 run of the library and its diagnostics are optional to the tests.
    const dropped = {
      final_f32: undefined,
      source: undefined,
      checks: undefined,
      note: undefined,
      function: undefined,
    };
    const cases = rule(index.cases).map((c) => ({ ...c, ...dropped }));
    const text = JSON.stringify([{ ...index, cases: [] }, cases]);
    const always = /^(in|conv)\/|^latent$|^start$|^bank$/;
    const rows = (key: string) => (key === 'bank' ? NOISE_DRAWS : Infinity);
    cutSafetensors(join(from, `${name}.safetensors`), join(to, `${name}.safetensors`), (key) =>
      always.test(key) || text.includes(JSON.stringify(key)) ? rows(key) : undefined,
    );
    write(to, `${name}.json`, indexText({ ...index, checks: undefined, count: cases.length, cases }, ['cases']));
  }
};

interface TextFile {
  readonly cases: readonly { readonly file?: string; readonly fields?: unknown; readonly [field: string]: unknown }[];
}

/** Files of the text group that run without third-party data, and how many of their cases are left out: 2 keeps every second. */
const TEXT_FILES: Readonly<Record<string, number>> = {
  'tokenizers/clip.json': 2,
  'tokenizers/chunks_clip.json': 1,
  'tokenizers/chunks_comfy.json': 3,
  'prompts/attention.json': 1,
  'prompts/schedule.json': 2,
  'prompts/and.json': 1,
  'prompts/extra_networks.json': 1,
  'prompts/comments.json': 1,
  'prompts/styles.json': 1,
  'prompts/comfy_weights.json': 1,
  'prompts/emphasis.json': 1,
  'prompts/pipeline.json': 1,
  'prompts/wildcards.json': 1,
  'infotext/parse.json': 2,
  'infotext/quote.json': 1,
  'infotext/carriers.json': 1,
};

/** The web UIs' API: small, and its examples refer to one another. */
const API_FILES = ['api/endpoints.json', 'api/schemas.json', 'api/examples.json'];

/** Prompt language, infotext, CLIP ids, API; every n-th case of the long files. Pictures were made for the golden set. */
const selectText: SelectGroup = (from, to) => {
  for (const [file, step] of Object.entries(TEXT_FILES)) {
    const data = readJson<TextFile>(join(from, file));
    // What other readers said is long and no test uses it.
    const cases = data.cases
      .filter((_, i) => i % step === 0)
      .map((c) => ({ ...c, other_libraries: undefined, original_reads: undefined, sd_parsers: undefined }));
    for (const c of cases) if (c.file !== undefined) copy(from, to, join(dirname(file), 'images', c.file));
    write(to, file, indexText({ ...data, cases }, ['cases']));
  }
  copy(from, to, 'prompts/emphasis.safetensors');
  for (const file of API_FILES) copy(from, to, file);
};

/** Adding a group = one function and one line. */
/** Bytes of model folders that are copied: the smallest ones, whole, since their cases share one tensor file. */
const MODEL_BYTES = 2_600_000;

const folderBytes = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

const selectModels: SelectGroup = (from, to) => {
  const index = JSON.parse(readFileSync(join(from, 'index.json'), 'utf8')) as { families: Record<string, unknown> };
  const sized = Object.keys(index.families)
    // Adapters refer to the weights of other folders.
    .filter((name) => !/^lora-|adapter|controlnet/.test(name))
    .map((name) => ({ name, bytes: folderBytes(join(from, name)) }))
    .sort((a, b) => a.bytes - b.bytes);
  const chosen: string[] = [];
  let total = 0;
  for (const { name, bytes } of sized) {
    total += bytes;
    if (total > MODEL_BYTES) break;
    chosen.push(name);
    cpSync(join(from, name), join(to, name), { recursive: true });
  }
  const keep = (entries: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(entries).filter(([name]) => chosen.includes(name.split('/')[0] ?? '')));
  writeFileSync(join(to, 'index.json'), JSON.stringify({ ...index, families: keep(index.families) }));
  const detect = JSON.parse(readFileSync(join(from, 'detect.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(to, 'detect.json'), JSON.stringify(keep(detect)));
};

const GROUPS: Readonly<Record<string, SelectGroup>> = {
  quant: selectQuant,
  files: selectFiles,
  sampling: selectSampling,
  text: selectText,
  models: selectModels,
};

const [from, ...wanted] = process.argv.slice(2);
if (from === undefined || from === '--help') {
  console.log('npx tsx tests/tools/select_golden.ts FROM [GROUP ...]\nGroups: ' + Object.keys(GROUPS).join(', '));
  process.exit(from === undefined ? 2 : 0);
}
for (const [group, select] of Object.entries(GROUPS)) {
  if (wanted.length > 0 && !wanted.includes(group)) continue;
  if (!existsSync(join(from, group))) {
    console.log(`${group}: skipped, not in ${from}`);
    continue;
  }
  rmSync(join(target, group), { recursive: true, force: true });
  select(join(from, group), join(target, group));
  console.log(`${group}: selected into ${join('tests/golden/data', group)}`);
}
