/** `npm run samplers`: the same picture by every sampler on one labelled sheet, in the order of the menu. */
import { AppError } from '../lib/base/errors';
import { generate } from '../lib/pipeline/generate';
import { drawSheet, joinSheets } from '../lib/pipeline/plot/sheet';
import type { PixelImage } from '../lib/rpc/engine';
import { samplers } from '../lib/sampling/registry';
import type { SamplerDef } from '../lib/sampling/sampler';
import { runCommand, type Command, type Flags } from './command_line';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { encodePicture } from './node_codecs';
import { assertWritable, writeWhole } from './node_files';
import { defaultModelFiles, loadNodeModel } from './node_model';
import { paintText } from './plot/label_font';

const flags = {
  out: { kind: 'text', required: true, value: 'FILE.png|.jpg|.webp', about: 'where the sheet goes' },
  prompt: { kind: 'text', default: 'a red apple, 3d', about: 'what to draw' },
  steps: { kind: 'number', default: 64, min: 1, max: 150, integer: true, about: 'sampling steps' },
  cfg: { kind: 'number', min: -30, max: 1000, about: "guidance scale [the model's own]" },
  schedule: { kind: 'text', default: '', about: "noise schedule [each sampler's own]" },
  seed: { kind: 'number', default: 5, min: 0, max: 4294967295, integer: true, about: 'seed of every picture' },
  columns: { kind: 'number', default: 8, min: 1, max: 64, integer: true, about: 'pictures in a row' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
} as const satisfies Flags;

const STYLE = { marginPx: 4, paint: paintText } as const;

/** White where the last row has no sampler. */
function fill(pictures: readonly PixelImage[], count: number): PixelImage[] {
  const { widthPx = 1, heightPx = 1 } = pictures[0] ?? {};
  const rgba = new Uint8ClampedArray(4 * widthPx * heightPx).fill(255);
  return Array.from({ length: count }, (_, i) => pictures[i] ?? { widthPx, heightPx, rgba });
}

const command: Command<typeof flags> = {
  usage: 'npm run samplers -- --out sheet.png [options]',
  about: 'Draws one picture with each sampler and prints the order, the model calls and the time.',
  flags,
};

void runCommand(command, async (options, _words, signal) => {
  await assertWritable(options.out);
  const backend = await createNodeBackend(options.backend, 0);
  const { model, close } = await loadNodeModel(await defaultModelFiles(), backend);
  const { defaults } = model.detected;
  const cfgScale = options.cfg ?? defaults.cfgScale;
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
        // CFG++ without a divisor takes scales around 1.
        cfgScale: sampler.label.includes('CFG++') && sampler.guidanceDivisor === undefined ? 1 : cfgScale,
        sampler: sampler.label,
        schedule: options.schedule,
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
    const rows = Array.from({ length: Math.ceil(pictures.length / options.columns) }, (_, row) => {
      const range = [row * options.columns, (row + 1) * options.columns] as const;
      const columns = list.slice(...range).map(({ label }) => label);
      // A short last row keeps the width of the others.
      while (row > 0 && columns.length < options.columns) columns.push('');
      return drawSheet(fill(pictures.slice(...range), columns.length), { columns, rows: [''] }, STYLE);
    });
    const format = /\.jpe?g$/i.test(options.out) ? 'jpeg' : /\.webp$/i.test(options.out) ? 'webp' : 'png';
    const { bytes } = await encodePicture(joinSheets(rows, STYLE.marginPx), { format, quality: 85, keepAlpha: false });
    await writeWhole(options.out, bytes);
    console.log(options.out);
  } finally {
    await model.dispose();
    await backend.dispose();
    await close();
  }
});
