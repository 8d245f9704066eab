/** `npm run baseline`: stores reference generations of the built-in model, or compares a later state with them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../lib/base/errors';
import { generate } from '../lib/pipeline/generate';
import type { LoadedModel } from '../lib/pipeline/loaded_model';
import type { PixelImage } from '../lib/rpc/engine';
import { BASELINE_JOBS, type BaselineJob } from './baseline/jobs';
import { htmlReport, type ComparedJob } from './baseline/report';
import { psnr, ssim } from './baseline/similarity';
import { runCommand, UsageError, type Command, type Flags } from './command_line';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { decodePng, encodePng } from './node_images';
import { defaultModelFiles, loadNodeModel } from './node_model';

const flags = {
  model: { kind: 'list', value: 'FILE', about: 'model file; repeat it for parts [the built-in model]' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
  'min-psnr': { kind: 'number', default: 35, min: 0, max: 100, about: 'least likeness that passes, dB' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run baseline -- capture|compare DIR [options]',
  about: 'Reference pictures over guidance, samplers, img2img, inpainting and hires; compare writes DIR/report.html.',
  flags,
  words: ['capture|compare', 'DIR'],
};

void runCommand(command, async (options, [action, folder], signal) => {
  if ((action !== 'capture' && action !== 'compare') || folder === undefined) {
    throw new UsageError('baseline: say capture or compare, and a folder.');
  }
  const backend = await createNodeBackend(options.backend, options.threads);
  const paths = options.model.length > 0 ? options.model : await defaultModelFiles();
  const { model, close } = await loadNodeModel(paths, backend);
  try {
    await mkdir(folder, { recursive: true });
    const compared: ComparedJob[] = [];
    for (const job of BASELINE_JOBS) {
      signal.throwIfAborted();
      const picture = await draw(model, job, signal);
      const path = join(folder, `${job.name}.png`);
      if (action === 'capture') {
        await writeFile(path, encodePng(picture));
        console.log(path);
        continue;
      }
      const stored = await readFile(path).catch((cause: unknown) => {
        throw new AppError('file/unreadable', `${path}: cannot be opened; run "capture" first.`, { cause });
      });
      const before = decodePng(stored, path);
      compared.push({ ...job, psnr: psnr(before, picture), ssim: ssim(before, picture), before, after: picture });
    }
    if (action === 'compare') await finish(compared, folder, { ...options, backend: backend.id, model: model.name });
  } finally {
    await model.dispose();
    await backend.dispose();
    await close();
  }
});

async function draw(model: LoadedModel, job: BaselineJob, signal: AbortSignal): Promise<PixelImage> {
  let picture: PixelImage | undefined;
  await generate(model, job.request(model.detected.defaults), {
    signal,
    onEvent: () => undefined,
    randomSeed: () => 0,
    onPicture: (image) => (picture = image),
  });
  if (!picture) throw new AppError('internal/unexpected', `${job.name}: no picture was made.`);
  return picture;
}

async function finish(
  compared: readonly ComparedJob[],
  folder: string,
  facts: { 'min-psnr': number; backend: string; model: string },
): Promise<void> {
  const least = facts['min-psnr'];
  console.log(`${'job'.padEnd(24)} ${'PSNR dB'.padStart(9)} ${'SSIM'.padStart(8)}`);
  for (const { name, psnr: db, ssim: likeness } of compared) {
    const mark = db >= least ? '' : `  below ${least}`;
    console.log(`${name.padEnd(24)} ${db.toFixed(2).padStart(9)} ${likeness.toFixed(5).padStart(8)}${mark}`);
  }
  const path = join(folder, 'report.html');
  await writeFile(path, htmlReport(compared, { title: `${facts.model} on ${facts.backend}`, leastPsnr: least }));
  console.log(path);
  const failed = compared.filter((job) => job.psnr < least).map((job) => job.name);
  if (failed.length > 0) {
    throw new AppError('internal/unexpected', `baseline: ${failed.join(', ')} must reach ${least} dB; see ${path}.`, {
      details: { failed },
    });
  }
}
