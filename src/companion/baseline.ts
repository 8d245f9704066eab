/** `npm run baseline`: stores reference generations with everything that decides them, or compares a later state with them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../lib/base/errors';
import { generate } from '../lib/pipeline/generate';
import type { LoadedModel } from '../lib/pipeline/loaded_model';
import { NetworkLibrary } from '../lib/pipeline/network_library';
import type { GenerateRequest, PixelImage } from '../lib/rpc/engine';
import { BASELINE_ADAPTERS, baselineAdapter } from './baseline/adapters';
import { readBundle, restoreRequest, storeRequest, writeBundle, type StoredJob } from './baseline/bundle';
import { BASELINE_JOBS } from './baseline/jobs';
import { htmlReport, type ComparedJob } from './baseline/report';
import { psnr, ssim } from './baseline/similarity';
import { runCommand, UsageError, type Command, type Flags } from './command_line';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { encodePicture } from './node_codecs';
import { readWhole, writeWhole } from './node_files';
import { decodePng } from './node_images';
import { defaultModelFiles, loadNodeModel } from './node_model';
import { openNetworks } from './node_networks';

const flags = {
  model: { kind: 'list', value: 'FILE', about: 'model file; repeat it for parts [the built-in model]' },
  refiner: { kind: 'list', value: 'FILE', about: 'second model of the refiner picture [the first once more]' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
  'min-psnr': { kind: 'number', default: 35, min: 0, max: 100, about: 'least likeness that passes, dB' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run baseline -- capture|compare DIR [options]',
  about:
    'Stores pictures with their settings, seeds and parameters over guidance, samplers, prompts, adapters, img2img, inpainting, hires fix and refiner; compare draws them again and writes DIR/report.html.',
  flags,
  words: ['capture|compare', 'DIR'],
};

interface Drawn {
  readonly picture: PixelImage;
  readonly file: Blob;
  readonly infotext: string;
  readonly seed: number;
}

type Draw = (name: string, request: GenerateRequest) => Promise<Drawn>;

void runCommand(command, async (options, [action, folder], signal) => {
  if ((action !== 'capture' && action !== 'compare') || folder === undefined) {
    throw new UsageError('baseline: say capture or compare, and a folder.');
  }
  const backend = await createNodeBackend(options.backend, options.threads);
  const paths = options.model.length > 0 ? options.model : await defaultModelFiles();
  const { model, close } = await loadNodeModel(paths, backend);
  const second = options.refiner.length > 0 ? await loadNodeModel(options.refiner, backend) : undefined;
  try {
    await mkdir(folder, { recursive: true });
    const adapters = action === 'capture' ? await storeAdapters(folder, model) : (await readBundle(folder)).adapters;
    const draw = await drawer(folder, { model, refiner: second?.model ?? model, adapters, signal });
    try {
      if (action === 'capture') await capture(folder, { model, backend: backend.id, adapters, draw: draw.draw });
      else await compare(folder, { model, backend: backend.id, leastPsnr: options['min-psnr'], draw: draw.draw });
    } finally {
      await draw.close();
    }
  } finally {
    await second?.model.dispose();
    await model.dispose();
    await backend.dispose();
    await second?.close();
    await close();
  }
});

async function storeAdapters(folder: string, model: LoadedModel): Promise<string[]> {
  const files: string[] = [];
  for (const name of BASELINE_ADAPTERS) {
    const file = `${name}.safetensors`;
    await writeWhole(join(folder, file), baselineAdapter(name, model.detected));
    files.push(file);
  }
  return files;
}

async function drawer(
  folder: string,
  parts: { model: LoadedModel; refiner: LoadedModel; adapters: readonly string[]; signal: AbortSignal },
): Promise<{ draw: Draw; close: () => Promise<void> }> {
  const { model, refiner, adapters, signal } = parts;
  const networks = await openNetworks({
    files: adapters.map((file) => ({ path: join(folder, file), kind: 'lora' as const })),
  });
  const library = new NetworkLibrary(networks);
  const draw: Draw = async (name, request) => {
    signal.throwIfAborted();
    let picture: PixelImage | undefined;
    const { images } = await generate(model, request, {
      signal,
      onEvent: () => undefined,
      randomSeed: () => 0,
      encodePicture,
      onPicture: (image) => (picture = image),
      loadModel: () => Promise.resolve(refiner),
      ...(await library.partsFor([request.prompt, request.negativePrompt])),
    });
    const [image] = images;
    if (!picture || !image) throw new AppError('internal/unexpected', `${name}: no picture was made.`);
    return { picture, file: image.file, infotext: image.infotext, seed: image.seed };
  };
  return { draw, close: () => networks.close() };
}

async function capture(
  folder: string,
  { model, backend, adapters, draw }: { model: LoadedModel; backend: string; adapters: readonly string[]; draw: Draw },
): Promise<void> {
  const jobs: StoredJob[] = [];
  for (const { name, about, request: requestOf } of BASELINE_JOBS) {
    const request = requestOf(model.detected.defaults);
    const { file, infotext, seed } = await draw(name, request);
    const picture = `${name}.png`;
    await writeWhole(join(folder, picture), new Uint8Array(await file.arrayBuffer()));
    jobs.push({ name, about, seed, picture, infotext, request: await storeRequest(folder, name, request) });
    console.log(join(folder, picture));
  }
  const { name, hash } = model;
  const capturedAt = new Date().toISOString();
  console.log(await writeBundle(folder, { capturedAt, model: { name, hash }, backend, adapters, jobs }));
}

async function compare(
  folder: string,
  { model, backend, leastPsnr, draw }: { model: LoadedModel; backend: string; leastPsnr: number; draw: Draw },
): Promise<void> {
  const bundle = await readBundle(folder);
  const compared: ComparedJob[] = [];
  console.log(`${'job'.padEnd(24)} ${'PSNR dB'.padStart(9)} ${'SSIM'.padStart(8)}`);
  for (const { name, about, picture, infotext, request } of bundle.jobs) {
    const before = decodePng(await readWhole(join(folder, picture)), picture);
    const now = await draw(name, await restoreRequest(folder, request));
    const [db, likeness] = [psnr(before, now.picture), ssim(before, now.picture)];
    const remarks = [db < leastPsnr ? `below ${leastPsnr}` : '', infotext === now.infotext ? '' : 'parameters differ'];
    const remark = remarks.filter(Boolean).join(', ');
    console.log(`${name.padEnd(24)} ${db.toFixed(2).padStart(9)} ${likeness.toFixed(5).padStart(8)}  ${remark}`);
    const pictures = { before, after: now.picture, infotextBefore: infotext, infotextAfter: now.infotext };
    compared.push({ name, about, psnr: db, ssim: likeness, ...pictures });
  }
  const path = join(folder, 'report.html');
  const about = [
    `Captured ${bundle.capturedAt} with ${bundle.model.name} on ${bundle.backend}.`,
    `Compared ${new Date().toISOString()} with ${model.name} on ${backend}.`,
  ];
  await writeWhole(path, htmlReport(compared, { title: `${model.name} on ${backend}`, leastPsnr, about }));
  console.log(path);
  const failed = compared.filter((job) => job.psnr < leastPsnr).map((job) => job.name);
  if (failed.length > 0) {
    throw new AppError(
      'internal/unexpected',
      `baseline: ${failed.join(', ')} must reach ${leastPsnr} dB; see ${path}.`,
      {
        details: { failed },
      },
    );
  }
}
