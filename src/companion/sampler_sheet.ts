/** `npm run samplers`: the same picture by every sampler on one sheet, in the order of the menu. */
import { writeFile } from 'node:fs/promises';
import { AppError } from '../lib/base/errors';
import { generate } from '../lib/pipeline/generate';
import { imageGrid } from '../lib/pipeline/image_grid';
import type { PixelImage } from '../lib/rpc/engine';
import { samplers } from '../lib/sampling/registry';
import type { SamplerDef } from '../lib/sampling/sampler';
import { runCommand, type Command, type Flags } from './command_line';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { encodePng } from './node_images';
import { defaultModelFiles, loadNodeModel } from './node_model';

const flags = {
  out: { kind: 'text', required: true, value: 'FILE.png', about: 'where the sheet goes' },
  prompt: { kind: 'text', default: 'a red apple, 3d', about: 'what to draw' },
  steps: { kind: 'number', default: 16, min: 1, max: 150, integer: true, about: 'sampling steps' },
  seed: { kind: 'number', default: 5, min: 0, max: 4294967295, integer: true, about: 'seed of every picture' },
  columns: { kind: 'number', default: 8, min: 1, max: 64, integer: true, about: 'pictures in a row' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run samplers -- --out sheet.png [options]',
  about: 'Draws one picture with each sampler and prints the order, the model calls and the time.',
  flags,
};

void runCommand(command, async (options, _words, signal) => {
  const backend = await createNodeBackend(options.backend, 0);
  const { model, close } = await loadNodeModel(await defaultModelFiles(), backend);
  const { defaults } = model.detected;
  try {
    const pictures: PixelImage[] = [];
    // Read through the contract: the list itself knows only the metadata each entry wrote down.
    const list: readonly SamplerDef[] = samplers;
    for (const [i, sampler] of list.entries()) {
      signal.throwIfAborted();
      const startedAt = performance.now();
      let calls = 0;
      const request = {
        modelId: 'sheet',
        prompt: options.prompt,
        negativePrompt: '',
        steps: options.steps,
        cfgScale: sampler.label.includes('CFG++') && sampler.guidanceDivisor === undefined ? 1 : defaults.cfgScale,
        sampler: sampler.label,
        schedule: '',
        seed: options.seed,
        widthPx: defaults.widthPx,
        heightPx: defaults.heightPx,
        batchSize: 1,
        batchCount: 1,
        clipSkip: defaults.clipSkip,
        noiseSource: 'NV' as const,
        previewEvery: 0,
      };
      await generate(model, request, {
        signal,
        onEvent: () => undefined,
        randomSeed: () => 0,
        onPicture: (image) => pictures.push(image),
        extensions: [
          { id: 'count', label: 'Model calls', apiVersion: 1, hooks: { denoiserInput: () => void (calls += 1) } },
        ],
      });
      const place = `${Math.floor(i / options.columns) + 1}.${(i % options.columns) + 1}`;
      const ms = performance.now() - startedAt;
      console.log(
        `${place.padEnd(5)} ${sampler.label.padEnd(32)} ${String(calls).padStart(4)} calls ${ms.toFixed(0).padStart(6)} ms`,
      );
    }
    if (pictures.length === 0) throw new AppError('internal/unexpected', 'samplers: nothing was drawn.');
    await writeFile(options.out, encodePng(imageGrid(pictures, options.columns)));
    console.log(options.out);
  } finally {
    await model.dispose();
    await backend.dispose();
    await close();
  }
});
