/** Runs golden model cases on a backend: which files serve a case, comparison, and the first block that is off. */
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { detectFile, type DetectedFile } from '../../../src/lib/models/detect';
import type { HintTable } from '../../../src/lib/models/part';
import { CaseRun, type Adapter } from './adapter';
import { ADAPTERS } from './adapters/registry';
import { difference, overTolerance, psnr } from './compare';
import { inputsOf, type GoldenCase, type GoldenFamily, type GoldenStore } from './golden_case';
import { encoderIdOf, hintsOf } from './hints';

export interface Job {
  readonly family: GoldenFamily;
  readonly goldenCase: GoldenCase;
  readonly adapter: Adapter;
  /** Label of the files used. */
  readonly variant: string;
  readonly files: readonly DetectedFile[];
  readonly hints: HintTable;
}

export interface Outcome {
  /** Largest error divided by its limit over all outputs. */
  readonly ratio: number;
  /** The limit was widened to the rounding that the network itself amplifies. */
  readonly illConditioned?: boolean;
  readonly problems: readonly string[];
}

async function detectAll(
  family: GoldenFamily,
  names: readonly string[],
  hints: HintTable,
): Promise<Map<string, DetectedFile>> {
  const files = new Map<string, DetectedFile>();
  for (const file of names) {
    // A diffusers folder tells by its name which text encoder it is.
    const folder = /^diffusers\/(text_encoder[_0-9]*)\//.exec(file)?.[1];
    const encoder = folder === undefined ? undefined : encoderIdOf(family.config[folder]);
    const single = Object.values(family.config)
      .map(encoderIdOf)
      .filter((id) => id !== undefined);
    const only = single.length === 1 ? single[0] : undefined;
    const place = encoder ?? only;
    files.set(
      file,
      detectFile(await family.store.index(`${family.name}/${file}`), hints, place ? { encoder: place } : {}),
    );
  }
  overlayPatches(files, hints);
  return files;
}

/**
 * Files that hold nothing whole (such as attention tensors with older names) are laid over the diffusers file whose
 * modules they rename: the module's tensors are replaced as a group.
 */
function overlayPatches(files: Map<string, DetectedFile>, hints: HintTable): void {
  const parent = (name: string) => name.split('.').slice(0, 4).join('.');
  for (const [file, detected] of files) {
    if (detected.parts.length > 0) continue;
    const patch = detected.index;
    const modules = new Set([...patch.tensors.keys()].map(parent));
    for (const [other, base] of files) {
      if (other === file || !other.startsWith('diffusers/')) continue;
      const kept = [...base.index.tensors].filter(([name]) => !modules.has(parent(name)));
      if (kept.length === base.index.tensors.size) continue;
      const tensors = new Map([...kept, ...patch.tensors]);
      files.set(file, detectFile({ ...base.index, name: file, tensors }, hints));
    }
  }
}

/** Sets of files that serve a case: each file alone, else all of one layout together. */
function fileSets(names: readonly string[]): { label: string; names: readonly string[]; alone: boolean }[] {
  const diffusers = names.filter((name) => name.startsWith('diffusers/'));
  const original = names.filter((name) => !name.startsWith('diffusers/'));
  return [
    ...names.map((name) => ({ label: name, names: [name], alone: true })),
    { label: 'all original files', names: original, alone: false },
    { label: 'diffusers folder', names: diffusers, alone: false },
  ];
}

/** Files of other folders that a case names, read with their own folder's configuration. */
async function neighbours(family: GoldenFamily, goldenCase: GoldenCase): Promise<DetectedFile[]> {
  const found: DetectedFile[] = [];
  const texts = Object.values(goldenCase.params).filter((value) => typeof value === 'string');
  const named = texts.flatMap((text) => text.match(/\.\.\/[\w-]+\/[\w.-]+\.safetensors/g) ?? []);
  for (const value of new Set([...family.base, ...named])) {
    const path = /^\.\.\/([^/]+)\/(.+)$/.exec(value);
    if (!path?.[1] || !path[2]) continue;
    const config = await family.store.config(`${path[1]}/config.json`);
    found.push(detectFile(await family.store.index(`${path[1]}/${path[2]}`), hintsOf(config)));
  }
  return found;
}

/** Every (case, files) pair of a family; cases without adapter or files come back as problems. */
export async function jobsOf(store: GoldenStore, name: string): Promise<{ jobs: Job[]; problems: string[] }> {
  const family = await store.family(name);
  const jobs: Job[] = [];
  const problems: string[] = [];
  for (const goldenCase of family.cases) {
    const inputs = inputsOf(family, goldenCase);
    const adapter = ADAPTERS.find((a) => a.matches(family, goldenCase, inputs));
    if (!adapter) {
      problems.push(`${goldenCase.name}: no adapter for inputs ${[...inputs.keys()].join(', ')}`);
      continue;
    }
    const variant = goldenCase.params['config'];
    const elsewhere = typeof variant === 'string' && variant.endsWith('.json');
    const config = elsewhere ? await store.config(`${name}/${variant}`) : family.config;
    const hints = hintsOf(config, typeof variant === 'string' && !elsewhere ? variant : undefined);
    const named = goldenCase.weights ?? goldenCase.params['file'];
    if (family.files.length === 0) {
      jobs.push({ family, goldenCase, adapter, variant: 'no weights', files: [], hints });
      continue;
    }
    const names =
      typeof named !== 'string'
        ? family.files
        : adapter.everyFile
          ? [named, ...family.files.filter((f) => f !== named)]
          : [named];
    const files = await detectAll(family, names, hints);
    const beside = await neighbours(family, goldenCase);
    if (typeof named === 'string' && adapter.everyFile) {
      // Other spellings of the same network: equal configuration, equal numbers.
      const config = JSON.stringify(files.get(named)?.parts[0]?.config);
      for (const [file, detected] of files)
        if (JSON.stringify(detected.parts[0]?.config) !== config) files.delete(file);
    }
    const sets = fileSets([...files.keys()]);
    const usable = sets.filter((set) =>
      adapter.serves([...set.names.flatMap((file) => files.get(file) ?? []), ...beside], family, goldenCase, inputs),
    );
    // Base weights of another folder may be all a case needs; the files of its own folder are then adapters.
    if (beside.length > 0 && adapter.serves(beside, family, goldenCase, inputs)) {
      jobs.push({ family, goldenCase, adapter, variant: 'base weights', files: beside, hints });
      continue;
    }
    const alone = usable.filter((set) => set.alone);
    const isDiffusers = (set: { names: readonly string[] }) => set.names[0]?.startsWith('diffusers/') ?? false;
    const together = usable.filter((set) => !set.alone && !alone.some((one) => isDiffusers(one) === isDiffusers(set)));
    const chosen = [...alone, ...together];
    if (chosen.length === 0) problems.push(`${goldenCase.name}: no files serve the adapter "${adapter.id}"`);
    for (const set of chosen) {
      const detected = [...set.names.flatMap((file) => files.get(file) ?? []), ...beside];
      jobs.push({ family, goldenCase, adapter, variant: set.label, files: detected, hints });
    }
  }
  return { jobs, problems };
}

/**
 * How far f32 rounding alone may move the outputs, measured on this very network: the movement by a disturbance of one
 * part in 10⁷ of the inputs, times how many of those the roundings on the way add up to. Only a case that fails its
 * stated limit is judged so, and the stored numbers are f32 results themselves.
 *
 * Where it comes from, measured on the one case that needs it (SD1 with adapters of scale 2 on every attention, block by
 * block): each self-attention multiplies the NMSE of a disturbance by 5 to 14, because the adapters drive its scores to
 * where the softmax is nearly a choice; seven of them take 1.1e-14 at the first convolution to 2.4e-10 at the output,
 * against 1.7e-12 in the same network with adapters of scale 1. Two f32 engines then differ by 2.8e-9 and stay 0.9e-9
 * and 2.6e-9 from the stored f32 result, whose limit is 1e-9: rounding, not arithmetic.
 */
async function roundingFloor(job: Job): Promise<ReadonlyMap<string, number>> {
  const backend = createReferenceBackend();
  const inputs = inputsOf(job.family, job.goldenCase);
  const [clean, moved] = await Promise.all(
    [0, 1e-7].map((noise) => job.adapter.run(new CaseRun({ ...job, backend, inputs, noise }))),
  );
  await backend.dispose();
  const floor = new Map<string, number>();
  for (const [name, result] of Object.entries(clean ?? {})) {
    const other = moved?.[name];
    if (other) floor.set(name, DISTURBANCES_ON_THE_WAY * difference(other, result).nmse);
  }
  return floor;
}

/**
 * A disturbance of 1e-7 has an NMSE of 1.1e-14, about ten roundings to f32; the golden networks are some 150 operations
 * deep.
 */
const DISTURBANCES_ON_THE_WAY = 16;

/** Runs a job; never throws for wrong numbers. */
export async function runJob(job: Job, backend: Backend, trace?: Map<string, HostTensor>): Promise<Outcome> {
  const inputs = inputsOf(job.family, job.goldenCase);
  const outputs = await job.adapter.run(new CaseRun({ ...job, backend, inputs, ...(trace ? { trace } : {}) }));
  const strict = judge(job, outputs, job.goldenCase.tolerance);
  if (strict.problems.length === 0 || trace || !(strict.ratio < DISTURBANCES_ON_THE_WAY)) return strict;
  const floor = Math.max(0, ...(await roundingFloor(job)).values());
  const tolerance = { ...job.goldenCase.tolerance };
  tolerance['nmse_f32'] = Math.max(tolerance['nmse_f32'] ?? 0, floor);
  const wide = judge(job, outputs, tolerance);
  return wide.problems.length === 0 ? { ...wide, illConditioned: true } : strict;
}

function judge(job: Job, outputs: Readonly<Record<string, HostTensor>>, tolerance: GoldenCase['tolerance']): Outcome {
  const { family, goldenCase } = job;
  const problems: string[] = [];
  let worst = 0;
  for (const [name, key] of Object.entries(goldenCase.expected)) {
    const reference = family.tensors.get(key);
    const result = outputs[name];
    if (!reference || !result) {
      problems.push(`output ${name}: ${reference ? 'was not computed' : 'is not in the golden file'}`);
      continue;
    }
    const { ratio, text } = overTolerance(result, reference, tolerance);
    worst = Math.max(worst, ratio);
    if (!(ratio <= 1)) problems.push(`output ${name} [${result.shape.join(', ')}]: ${text}`);
    const limit = tolerance['image_psnr_db_f32'];
    if (limit !== undefined && name === 'image' && psnr(unit(result), unit(reference)) < limit) {
      problems.push(`output ${name}: ${psnr(unit(result), unit(reference)).toFixed(1)} dB (limit ${limit})`);
    }
  }
  return { ratio: problems.length > 0 ? Math.max(worst, 1.01) : worst, problems };
}

/** Pictures are stored -1..1. */
const unit = (t: HostTensor): HostTensor => ({ shape: t.shape, data: Float32Array.from(t.data, (x) => x / 2 + 0.5) });

/** Golden short names → what our graphs call the same place, by architecture; the first that exists is meant. */
const TAP_SPELLINGS: readonly (readonly [RegExp, string])[] = [
  // CLIP, Qwen3, T5.
  [/^layers?\.?(\d+)\.attn$/, 'text_model.encoder.layers.$1.self_attn'],
  [/^layers?\.?(\d+)/, 'text_model.encoder.layers.$1'],
  [/^layers?\.?(\d+)\.attn$/, 'layers.$1.self_attn'],
  [/^layers?\.?(\d+)/, 'layers.$1'],
  [/^block\.?(\d+)\.attn$/, 'encoder.block.$1.layer.0.SelfAttention'],
  [/^block\.?(\d+)$/, 'encoder.block.$1'],
  [/^embeddings/, 'text_model.embeddings'],
  // Transformers.
  [/^double\.(\d+)/, 'transformer_blocks.$1'],
  [/^single\.(\d+)/, 'single_transformer_blocks.$1'],
  [/^block\.?(\d+)/, 'transformer_blocks.$1'],
];

function tapNames(golden: string, { files }: Job): string[] {
  const [name = '', output] = golden.split('#');
  const suffix = output === undefined ? '' : `.#${output}`;
  // Tiny decoders: the files' first entry is the clamp, which diffusers does not count.
  const [, index] = /^decoder\.(\d+)$/.exec(name) ?? [];
  const tiny = files.some(({ parts }) => parts.some(({ architecture }) => architecture === 'tiny-vae'));
  if (tiny && index !== undefined) return [`decoder.${Number(index) + 1}`];
  const spelled = TAP_SPELLINGS.flatMap(([pattern, tap]) => (pattern.test(name) ? [name.replace(pattern, tap)] : []));
  return [name, ...spelled].map((one) => `${one}${suffix}`);
}

/** Intermediates in the golden's order that differ, found on the reference backend. */
export async function explain(job: Job): Promise<string[]> {
  const trace = new Map<string, HostTensor>();
  const backend = createReferenceBackend();
  await runJob(job, backend, trace);
  await backend.dispose();
  const lines: string[] = [];
  for (const [name, key] of Object.entries(job.goldenCase.intermediates ?? {})) {
    const reference = job.family.tensors.get(key);
    const mine = tapNames(name, job)
      .map((tap) => trace.get(tap))
      .find((tensor) => tensor !== undefined);
    if (!reference) continue;
    const text = mine ? difference(mine, reference).nmse.toExponential(2) : 'no tap';
    lines.push(`${name} [${reference.shape.join(', ')}]: ${text}`);
  }
  return lines;
}
