/** `npm run validate`: draws with every model of a folder, alone and with each LoRA made for it, and writes a report. */
import { mkdir } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../lib/base/errors';
import { familyById } from '../lib/models/registry';
import { runCommand, type Command, type Flags } from './command_line';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { writeWhole } from './node_files';
import { findModels, type FoundFiles } from './validate/find_models';
import { countsOf, validationHtml, type ModelEntry, type ValidationReport } from './validate/report';
import { fits, validateAll } from './validate/validate_model';

const flags = {
  out: { kind: 'text', value: 'FILE.html', about: 'the report [DIR/validation.html]' },
  prompt: { kind: 'text', default: 'a red apple on a wooden table', about: 'what is drawn' },
  side: { kind: 'number', default: 256, min: 64, max: 2048, integer: true, about: 'longest side, pixels' },
  steps: { kind: 'number', default: 4, min: 1, max: 150, integer: true, about: "steps, at most the model's own" },
  seed: { kind: 'number', default: 1, min: 0, max: Number.MAX_SAFE_INTEGER, integer: true, about: 'seed' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  minutes: { kind: 'number', default: 60, min: 0, max: 10080, about: 'time for all pictures; 0: as long as it takes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
  json: { kind: 'text', value: 'FILE', about: 'the same without pictures, as JSON' },
  strict: { kind: 'switch', about: 'exit code 1 when a picture failed' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run validate -- DIR [options]',
  about:
    'Finds models, parts and LoRAs in a folder, draws a small picture with every model and with every LoRA made for it, and writes an HTML report of pictures, times, memory and warnings. Ctrl-C writes the report of what there is.',
  flags,
  words: ['DIR'],
};

void runCommand(command, async (options, [word = ''], signal) => {
  const path = options.out ?? join(word, 'validation.html');
  const found = await findModels(resolve(word));
  console.log(
    `${found.models.length} models, ${found.loras.length} LoRAs, ${found.problems.length} files that cannot be used`,
  );
  const timeUp = options.minutes > 0 ? [AbortSignal.timeout(options.minutes * 60_000)] : [];
  const backend = await createNodeBackend(options.backend, options.threads);
  const surroundings = { backend, settings: options, signal: AbortSignal.any([signal, ...timeUp]), tell };
  let validated: Awaited<ReturnType<typeof validateAll>>;
  try {
    validated = await validateAll(found, surroundings);
  } finally {
    await backend.dispose();
  }
  const { models, left } = validated;
  const why = signal.aborted ? 'stopped before its turn' : `${options.minutes} minutes were over before its turn`;
  const report: ValidationReport = {
    folder: word,
    made: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: `${backend.label}, ${cpus().length} × ${cpus()[0]?.model ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    settings: `"${options.prompt}", up to ${options.side} px, ${options.steps} ${options.steps === 1 ? 'step' : 'steps'}, seed ${options.seed}`,
    models,
    problems: found.problems,
    unused: [...left.map((name) => ({ name, reason: `${why} (--minutes)` })), ...untried(found)],
  };
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

function tell(name: string, what: string): void {
  console.log(`${name.padEnd(44)} ${what}`);
}

/** LoRAs for families that no model of the folder is of. */
function untried({ models, loras }: FoundFiles): ValidationReport['unused'] {
  return loras.flatMap((lora) => {
    if (models.some((model) => fits(lora, model))) return [];
    const { family } = lora.file;
    const label = family === undefined ? 'an unknown family' : (familyById(family)?.label ?? family);
    return [{ name: lora.name, reason: `LoRA made for ${label}: no usable model of that family is in the folder` }];
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
