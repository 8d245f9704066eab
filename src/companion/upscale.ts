/** `npm run upscale`: enlarges pictures; their parameters stay inside. */
import { infotextCandidate } from '../lib/infotext/dialects/a1111';
import { readImageTexts } from '../lib/infotext/image_texts';
import { NetworkLibrary } from '../lib/pipeline/network_library';
import { BackendRunner } from '../lib/pipeline/upscale';
import { runUpscale } from '../lib/pipeline/upscale_job';
import { PIXEL_UPSCALERS, SHIPPED_UPSCALERS } from '../lib/pipeline/upscalers';
import { PICTURE_FORMATS } from '../lib/rpc/engine';
import { runCommand, type Command, type Flags } from './command_line';
import { readAsset } from './node_assets';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { decodePicture, encodePicture } from './node_codecs';
import { assertWritable, readWhole, writeWhole } from './node_files';
import { openNetworks } from './node_networks';

const names = [...Object.keys(PIXEL_UPSCALERS), ...SHIPPED_UPSCALERS.map(({ name }) => name)].join(' | ');

const flags = {
  in: { kind: 'text', required: true, value: 'FILE', about: 'PNG, JPEG or WebP' },
  out: { kind: 'text', required: true, value: 'FILE', about: 'where the picture goes; its name says the format' },
  upscaler: {
    kind: 'text',
    default: SHIPPED_UPSCALERS[0].name,
    value: names,
    about: 'or the name of a --network file',
  },
  scale: { kind: 'number', default: 2, min: 1, max: 8, about: 'factor' },
  width: { kind: 'number', default: 0, min: 0, max: 16384, integer: true, about: 'target width in place of a factor' },
  height: { kind: 'number', default: 0, min: 0, max: 16384, integer: true, about: 'target height' },
  crop: { kind: 'switch', about: 'cuts off what stands out of the target size' },
  second: { kind: 'text', default: '', value: names, about: 'a second upscaler, mixed in' },
  visibility: { kind: 'number', default: 0.5, min: 0, max: 1, about: 'share of the second upscaler' },
  network: { kind: 'list', value: 'FILE', about: 'ESRGAN or SRVGG file, known by its file name' },
  quality: { kind: 'number', default: 90, min: 1, max: 100, about: 'of JPEG and WebP' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run upscale -- --in small.png --out large.png [options]',
  about: 'Enlarges a picture by a filter, by the small network that ships, or by an upscaler file of yours.',
  flags,
};

void runCommand(command, async (options, _words, signal) => {
  await assertWritable(options.out);
  const bytes = await readWhole(options.in);
  const image = await decodePicture(bytes, options.in);
  const backend = await createNodeBackend(options.backend, 0);
  const networks = await openNetworks({ files: options.network.map((path) => ({ path, kind: 'upscaler' as const })) });
  const runner = new BackendRunner(backend);
  try {
    const { loadUpscaler } = await new NetworkLibrary(networks).partsFor([]);
    const infotext = infotextCandidate(readImageTexts(bytes).texts);
    const extension = options.out.split('.').at(-1)?.toLowerCase().replace(/^jpg$/, 'jpeg');
    const format = PICTURE_FORMATS.find((one) => one === extension) ?? 'png';
    const result = await runUpscale(
      runner,
      {
        image,
        upscaler: options.upscaler,
        scale: options.scale,
        widthPx: options.width,
        heightPx: options.height,
        crop: options.crop,
        ...(options.second === '' ? {} : { second: { upscaler: options.second, visibility: options.visibility } }),
        ...(infotext === undefined ? {} : { infotext }),
        save: { format, quality: options.quality },
      },
      {
        signal,
        onEvent: (event) => {
          if (event.kind === 'notice') console.error(`note: ${event.message}`);
        },
        encodePicture,
        readAsset,
        loadUpscaler,
      },
    );
    for (const made of result.images) {
      await writeWhole(options.out, new Uint8Array(await made.file.arrayBuffer()));
      console.log(`${options.out}  ${made.widthPx}x${made.heightPx}`);
    }
  } finally {
    await runner.dispose();
    await backend.dispose();
    await networks.close();
  }
});
