/** `npm run validate`: draws with every model of a folder, alone and with each LoRA made for it, and writes a report. */
import { mkdir } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { AppError, toPlainError } from '../lib/base/errors';
import { familyById } from '../lib/models/registry';
import { NetworkLibrary } from '../lib/pipeline/network_library';
import { NetworkStacks } from '../lib/pipeline/networks';
import type { Backend } from '../lib/backends/backend';
import { psnr } from './baseline/similarity';
import { runCommand, type Command, type Flags, type Parsed } from './command_line';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { writeWhole } from './node_files';
import { loadNodeModel } from './node_model';
import { networkName, openNetworks } from './node_networks';
import { draw, validationRequest } from './validate/draw';
import { findModels, type FoundFiles, type FoundModel } from './validate/find_models';
import { countsOf, validationHtml, type LoraEntry, type ModelEntry, type ValidationReport } from './validate/report';

const flags = {
  out: { kind: 'text', value: 'FILE.html', about: 'the report [DIR/validation.html]' },
  prompt: { kind: 'text', default: 'a red apple on a wooden table', about: 'what is drawn' },
  side: { kind: 'number', default: 256, min: 64, max: 2048, integer: true, about: 'longest side, pixels' },
  steps: { kind: 'number', default: 4, min: 1, max: 150, integer: true, about: "steps, at most the model's own" },
  seed: { kind: 'number', default: 1, min: 0, max: Number.MAX_SAFE_INTEGER, integer: true, about: 'seed' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
  json: { kind: 'text', value: 'FILE', about: 'the same without pictures, as JSON' },
  strict: { kind: 'switch', about: 'exit code 1 when a picture failed' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run validate -- DIR [options]',
  about:
    'Finds models, parts and LoRAs in a folder, draws a small picture with every model and with every LoRA made for it, and writes an HTML report of pictures, times, memory and warnings.',
  flags,
  words: ['DIR'],
};

void runCommand(command, async (options, [word = ''], signal) => {
  const folder = resolve(word);
  const found = await findModels(folder);
  const backend = await createNodeBackend(options.backend, options.threads);
  const models: ModelEntry[] = [];
  try {
    for (const model of found.models) {
      models.push(await validateModel(model, found, { backend, options, signal }));
    }
  } finally {
    await backend.dispose();
  }
  const report: ValidationReport = {
    folder: word,
    made: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: `${backend.label}, ${cpus().length} × ${cpus()[0]?.model ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    settings: `"${options.prompt}", up to ${options.side} px, ${options.steps} steps, seed ${options.seed}`,
    models,
    problems: found.problems,
    unused: untried(found),
  };
  const path = options.out ?? join(word, 'validation.html');
  await mkdir(dirname(resolve(path)), { recursive: true });
  await writeWhole(path, validationHtml(report));
  if (options.json !== undefined)
    await writeWhole(options.json, `${JSON.stringify(withoutPictures(report), undefined, 2)}\n`);
  const { pictures, failed, warnings, unusable } = countsOf(report);
  console.log(
    `${pictures} pictures, ${failed} failed, ${warnings} warnings, ${unusable} models or files that cannot be used`,
  );
  console.log(path);
  if (options.strict && failed > 0) {
    throw new AppError('internal/unexpected', `validate: ${failed} pictures must be drawn and were not; see ${path}.`);
  }
});

interface Surroundings {
  readonly backend: Backend;
  readonly options: Parsed<typeof flags>;
  readonly signal: AbortSignal;
}

async function validateModel(
  found: FoundModel,
  { loras }: FoundFiles,
  { backend, options, signal }: Surroundings,
): Promise<ModelEntry> {
  const { family, label, variant } = found.model;
  const types = new Set([...found.model.denoiser.weights.values()].map(({ tensor }) => tensor.type));
  const base = {
    name: found.name,
    family: [family.label, variant].filter(Boolean).join(', '),
    facts: [
      ['files', [found.name, ...found.completedBy].join(', ')],
      ['title', label],
      ['stored as', [...types].join(', ')],
    ] as [string, string][],
  };
  const startedAt = performance.now();
  const opened = await loadNodeModel(found.paths, backend).catch((error: unknown) => toPlainError(error));
  if (!('model' in opened)) {
    tell(found.name, `${opened.code}: ${opened.message}`);
    return { ...base, drawn: { warnings: [], error: `${opened.code}: ${opened.message}` }, loras: [] };
  }
  const loadMs = performance.now() - startedAt;
  const { model, close } = opened;
  const fitting = loras.filter(({ file }) => file.family === undefined || file.family === family.id);
  const networks = await openNetworks({ files: fitting.map(({ path }) => ({ path, kind: 'lora' as const })) });
  try {
    const request = validationRequest(model, options);
    const host = { library: new NetworkLibrary(networks), networks: new NetworkStacks(), signal };
    const drawn = await draw(model, request, host);
    tell(found.name, drawn.error ?? `${request.widthPx}x${request.heightPx}`);
    const entries: LoraEntry[] = [];
    for (const lora of drawn.error === undefined ? fitting : []) {
      const prompt = `${request.prompt}<lora:${networkName(lora.path)}:1>`;
      const changed = await draw(model, { ...request, prompt }, host);
      const likeness = drawn.picture && changed.picture ? psnr(drawn.picture, changed.picture) : undefined;
      entries.push({ name: lora.name, drawn: changed, ...(likeness === undefined ? {} : { psnr: likeness }) });
      tell(`  + ${lora.name}`, changed.error ?? `${likeness?.toFixed(1) ?? '?'} dB`);
    }
    const { widthPx, heightPx, steps, cfgScale, sampler } = request;
    const facts = [
      ...base.facts,
      ['drawn with', `${widthPx}x${heightPx}, ${steps} steps, CFG ${cfgScale}, ${sampler}`],
    ] as const;
    return { ...base, facts, loadMs, drawn, loras: entries };
  } finally {
    await model.dispose();
    await networks.close();
    await close();
  }
}

const tell = (name: string, what: string): void => {
  console.log(`${name.padEnd(44)} ${what}`);
};

/** LoRAs for families that no model of the folder is of. */
function untried({ models, loras }: FoundFiles): ValidationReport['unused'] {
  const families = new Set<string>(models.map(({ model }) => model.family.id));
  return loras.flatMap(({ name, file: { family } }) => {
    if (family === undefined ? families.size > 0 : families.has(family)) return [];
    const label = family === undefined ? 'an unknown family' : (familyById(family)?.label ?? family);
    return [{ name, reason: `LoRA made for ${label}: no usable model of that family is in the folder` }];
  });
}

function withoutPictures(report: ValidationReport) {
  const plain = ({ drawn }: { drawn: ModelEntry['drawn'] }) => ({
    error: drawn.error,
    warnings: drawn.warnings,
    times: drawn.result?.times,
    memory: drawn.result?.telemetry?.memory,
  });
  return {
    ...report,
    counts: countsOf(report),
    models: report.models.map(({ drawn, loras, ...rest }) => ({
      ...rest,
      ...plain({ drawn }),
      loras: loras.map((lora) => ({ name: lora.name, psnr: lora.psnr, ...plain(lora) })),
    })),
  };
}
