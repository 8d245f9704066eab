/** `npm run generate`: the main job from the command line. */
import { randomInt } from 'node:crypto';
import { AppError } from '../lib/base/errors';
import type { HostTensor } from '../lib/backends/backend';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import { writeSafetensors } from '../lib/formats/safetensors_write';
import type { LoadedModel } from '../lib/pipeline/loaded_model';
import { runRequest } from '../lib/pipeline/run_request';
import { LIMITS } from '../lib/pipeline/job_settings';
import { NetworkLibrary } from '../lib/pipeline/network_library';
import { PIXEL_UPSCALERS, SHIPPED_UPSCALERS } from '../lib/pipeline/upscalers';
import { dequantizeTensor } from '../lib/quant/dequantize';
import type { GenerateRequest, InpaintRequest, JobEvent, PixelImage } from '../lib/rpc/engine';
import { EMPHASIS_MODES, INPAINT_FILLS, RESIZE_MODES } from '../lib/rpc/engine';
import { LATENT_UPSCALERS } from '../lib/sampling/img2img/resample';
import { samplers } from '../lib/sampling/registry';
import { schedules } from '../lib/sampling/schedule_registry';
import { runCommand, type Command, type Flags, type Parsed } from './command_line';
import { maskOf, saveOf, seriesFlags, seriesOf } from './generate/series';
import { createNodeBackend, NODE_BACKENDS } from './node_backend';
import { assertWritable, readWhole, writeWhole } from './node_files';
import { openFileSource } from './node_file_source';
import { decodePicture, encodePicture } from './node_codecs';
import { defaultModelFiles, defaultModelSettings, loadNodeModel } from './node_model';
import {
  controlRequests,
  modelOptionValues,
  networkFlags,
  networkPaths,
  readLora,
  withTags,
  type LoraFlag,
} from './network_flags';
import { openNetworks } from './node_networks';
import { readAsset } from './node_assets';
import { paintText } from './plot/label_font';

const flags = {
  prompt: { kind: 'text', required: true, about: 'what to draw' },
  negative: { kind: 'text', default: '', about: 'what not to draw' },
  out: {
    kind: 'text',
    required: true,
    value: 'FILE.png',
    about: 'where the picture goes; more pictures get -2, -3, …',
  },
  model: {
    kind: 'list',
    value: 'FILE',
    about: 'model file; repeat it for parts in files of their own [the built-in model]',
  },
  steps: { kind: 'number', ...LIMITS.steps, integer: true, about: "sampling steps [the model's own]" },
  cfg: { kind: 'number', ...LIMITS.cfgScale, about: "guidance scale [the model's own]" },
  sampler: { kind: 'text', value: samplers.map((s) => s.label).join(' | '), about: "sampler [the model's own]" },
  schedule: {
    kind: 'text',
    value: ['Automatic', ...schedules.map((s) => s.label)].join(' | '),
    about: 'noise schedule [Automatic]',
  },
  seed: {
    kind: 'number',
    default: -1,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
    about: 'seed; -1 draws one',
  },
  width: { kind: 'number', ...LIMITS.sidePx, integer: true, about: "width in pixels [the model's own]" },
  height: { kind: 'number', ...LIMITS.sidePx, integer: true, about: "height in pixels [the model's own]" },
  'batch-size': { kind: 'number', default: 1, ...LIMITS.batchSize, integer: true, about: 'pictures at once' },
  'batch-count': { kind: 'number', default: 1, ...LIMITS.batchCount, integer: true, about: 'how often' },
  'clip-skip': { kind: 'number', ...LIMITS.clipSkip, integer: true, about: 'last CLIP layers to skip, plus 1' },
  rng: { kind: 'choice', default: 'NV', choices: ['NV', 'CPU'], about: 'noise of CUDA cards, or of torch on the CPU' },
  emphasis: { kind: 'choice', default: 'Original', choices: EMPHASIS_MODES, about: 'what (word:1.2) does' },
  timesteps: {
    kind: 'choice',
    default: 'nearest',
    choices: ['nearest', 'interpolate'],
    about: 'rounding of model time: Forge, or A1111',
  },
  eta: { kind: 'number', min: 0, max: 10, about: 'share of fresh noise of ancestral and SDE samplers' },
  init: { kind: 'text', value: 'FILE.png', about: 'picture to start from (img2img)' },
  strength: { kind: 'number', default: 0.75, min: 0, max: 1, about: 'how much of the start picture is redrawn' },
  resize: { kind: 'choice', default: 'crop', choices: RESIZE_MODES, about: 'how the start picture is fitted' },
  mask: { kind: 'text', value: 'FILE.png', about: 'white is repainted (inpainting; needs --init)' },
  'mask-invert': { kind: 'switch', about: 'repaints what is not masked' },
  'mask-blur': { kind: 'number', default: 4, min: 0, max: 64, about: 'softness of the mask, pixels' },
  'mask-fill': {
    kind: 'choice',
    default: 'original',
    choices: INPAINT_FILLS,
    about: 'what the masked area starts from',
  },
  'mask-area': {
    kind: 'choice',
    default: 'whole',
    choices: ['whole', 'masked'],
    about: 'what is painted at full size',
  },
  'mask-padding': { kind: 'number', default: 32, min: 0, max: 256, integer: true, about: 'pixels around the mask' },
  'hires-scale': { kind: 'number', min: 1, max: 8, about: 'draws a second pass, so many times larger' },
  'hires-width': { kind: 'number', min: 64, max: 8192, integer: true, about: 'width of the second pass' },
  'hires-height': { kind: 'number', min: 64, max: 8192, integer: true, about: 'height of the second pass' },
  'hires-upscaler': {
    kind: 'text',
    default: 'Latent',
    value: [
      ...Object.keys(LATENT_UPSCALERS),
      ...Object.keys(PIXEL_UPSCALERS),
      ...SHIPPED_UPSCALERS.map(({ name }) => name),
    ].join(' | '),
    about: 'how the first pass is enlarged, or the name of an --upscaler file',
  },
  'hires-steps': { kind: 'number', default: 0, min: 0, max: 150, integer: true, about: '0: as the first pass' },
  'hires-strength': { kind: 'number', default: 0.6, min: 0, max: 1, about: 'how much the second pass redraws' },
  'hires-sampler': { kind: 'text', default: '', about: 'sampler of the second pass' },
  'hires-schedule': { kind: 'text', default: '', about: 'schedule of the second pass' },
  'hires-prompt': { kind: 'text', default: '', about: 'prompt of the second pass' },
  'hires-negative': { kind: 'text', default: '', about: 'negative prompt of the second pass' },
  'hires-cfg': { kind: 'number', ...LIMITS.cfgScale, about: 'guidance scale of the second pass' },
  ...networkFlags,
  refiner: { kind: 'list', value: 'FILE', about: 'second model that takes over' },
  'refiner-at': { kind: 'number', default: 0.8, min: 0.01, max: 1, about: 'share of the steps before it does' },
  tokenizer: { kind: 'list', value: 'FILE.json', about: 'tokenizer.json of a T5 or Qwen text encoder' },
  'distilled-cfg': { kind: 'number', min: 0, max: 100, about: 'guidance as an input of the model (FLUX.1 dev)' },
  'cfg-rescale': { kind: 'number', default: 0, min: 0, max: 1, about: 'share of guidance rescale' },
  'image-cfg': { kind: 'number', min: 0, max: 3, about: 'guidance towards the start picture (instruct-pix2pix) [1.5]' },
  'skip-early-cfg': {
    kind: 'number',
    default: 0,
    min: 0,
    max: 1,
    about: 'share of the run without guidance at its start',
  },
  ngms: { kind: 'number', default: 0, min: 0, max: 1000, about: 'noise level below which the negative prompt rests' },
  ensd: { kind: 'number', default: 0, min: -1e9, max: 1e9, integer: true, about: 'eta noise seed delta' },
  'variation-seed': {
    kind: 'number',
    default: 0,
    min: 0,
    max: 4294967295,
    integer: true,
    about: 'seed of a variation',
  },
  'variation-strength': { kind: 'number', default: 0, min: 0, max: 1, about: 'how far the variation goes' },
  'extra-noise': { kind: 'number', default: 0, min: 0, max: 1, about: 'noise added again in img2img and hires' },
  tiling: { kind: 'switch', about: 'pictures that repeat without a seam' },
  ...seriesFlags,
  latents: {
    kind: 'text',
    value: 'FILE.safetensors',
    about: "start noise in place of the seed's: first tensor, [batch, C, h, w]",
  },
  'save-latents': { kind: 'text', value: 'FILE.safetensors', about: 'writes the final latents as "latents"' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
  json: { kind: 'text', value: 'FILE', about: 'writes times, memory and parameters' },
  quiet: { kind: 'switch', about: 'no progress bar' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run generate -- --prompt "a red apple, 3d" --out apple.png [options]',
  about: 'Draws pictures with the built-in model or a model file of yours. The PNG carries its parameters.',
  flags,
};

void runCommand(command, async (options, _words, signal) => {
  const startedAt = performance.now();
  for (const path of [options.out, options.json, options['save-latents']]) {
    if (path !== undefined) await assertWritable(path);
  }
  const backend = await createNodeBackend(options.backend, options.threads);
  const paths = options.model.length > 0 ? options.model : await defaultModelFiles();
  const { model, close } = await loadNodeModel(paths, backend, { tokenizers: options.tokenizer });
  const refiner =
    options.refiner.length === 0
      ? undefined
      : await loadNodeModel(options.refiner, backend, { tokenizers: options.tokenizer });
  const asked = options.lora.map(readLora);
  const networks = await openNetworks(networkPaths(options));
  const loadMs = performance.now() - startedAt;
  const others = new Map<LoadedModel, () => Promise<void>>();
  let peakRss = 0;
  const sampleMemory = () => (peakRss = Math.max(peakRss, process.memoryUsage().rss));
  const timer = setInterval(sampleMemory, 50);
  try {
    const own = options.model.length > 0 ? {} : await defaultModelSettings();
    const request = await requestOf(options, { ...model.detected.defaults, ...own }, asked);
    const startNoise = options.latents === undefined ? undefined : await readLatents(options.latents);
    const finals: HostTensor[] = [];
    const bar = progressBar(options.quiet);
    const result = await runRequest(model, request, {
      signal,
      randomSeed: () => randomInt(2 ** 32),
      encodePicture,
      paintText,
      readAsset,
      onEvent: bar.show,
      onLatents: (latents) => finals.push(latents),
      ...(await new NetworkLibrary(networks).partsFor([request.prompt, request.negativePrompt])),
      loadModel: async (id) => {
        if (refiner && id === options.refiner[0]) return refiner.model;
        const other = await loadNodeModel([id], backend, { tokenizers: options.tokenizer });
        others.set(other.model, other.close);
        return other.model;
      },
      releaseModel: async (other) => {
        await other.dispose();
        await others.get(other)?.();
        others.delete(other);
      },
      ...(startNoise ? { startNoise } : {}),
    });
    bar.end();
    sampleMemory();
    const made = [...(result.grid ? [result.grid] : []), ...(result.subGrids ?? []), ...result.images];
    for (const [i, image] of made.entries()) {
      const path = i === 0 ? options.out : options.out.replace(/(\.[^./\\]*)?$/, `-${i + 1}$1`);
      await writeWhole(path, new Uint8Array(await image.file.arrayBuffer()));
      console.log(`${path}  ${image.widthPx}x${image.heightPx}  seed ${image.seed}`);
    }
    const saved = options['save-latents'];
    if (saved !== undefined && finals[0]) {
      await writeWhole(
        saved,
        writeSafetensors([{ name: 'latents', shape: finals[0].shape, data: Float32Array.from(finals[0].data) }]),
      );
    }
    const times = [{ stage: 'load', ms: loadMs }, ...result.times];
    for (const { stage, ms } of times) console.log(`${stage.padEnd(8)} ${(ms / 1000).toFixed(2).padStart(7)} s`);
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
    const { memory, measures } = result.telemetry ?? {};
    console.log(`memory   ${mib(peakRss)} MiB of the process at most`);
    if (memory) {
      console.log(
        `model    ${mib(memory.peakBytes)} MiB at most (planned ${mib(memory.plannedPeakBytes)}, without a plan ${mib(memory.naiveBytes)} MiB)`,
      );
    }
    for (const measure of measures ?? []) console.log(`note     ${measure}`);
    if (options.json !== undefined) {
      const report = {
        backend: backend.id,
        backendInfo: backend.info,
        model: { name: model.name, hash: model.hash, family: model.detected.family.id },
        times,
        peakRssBytes: peakRss,
        telemetry: result.telemetry,
        interrupted: result.interrupted,
        request: { ...request, init: undefined },
        images: result.images.map(({ seed, infotext, widthPx, heightPx }) => ({ seed, infotext, widthPx, heightPx })),
      };
      await writeWhole(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
    }
  } finally {
    clearInterval(timer);
    await model.dispose();
    await refiner?.model.dispose();
    await backend.dispose();
    await close();
    await refiner?.close();
    await networks.close();
  }
});

async function requestOf(
  options: Parsed<typeof flags>,
  defaults: {
    steps: number;
    cfgScale: number;
    sampler: string;
    schedule: string;
    widthPx: number;
    heightPx: number;
    clipSkip: number;
  },
  loras: readonly LoraFlag[],
): Promise<GenerateRequest> {
  const init =
    options.init === undefined ? undefined : await decodePicture(await readWhole(options.init), options.init);
  const mask =
    options.mask === undefined ? undefined : await decodePicture(await readWhole(options.mask), options.mask);
  if (mask && !init) throw new AppError('argument/invalid', '--mask: needs a picture to paint into; add --init.');
  return {
    modelId: 'command-line',
    prompt: withTags(options.prompt, loras),
    negativePrompt: options.negative,
    steps: options.steps ?? defaults.steps,
    cfgScale: options.cfg ?? defaults.cfgScale,
    sampler: options.sampler ?? defaults.sampler,
    schedule: options.schedule ?? (options.sampler === undefined ? defaults.schedule : ''),
    seed: options.seed,
    widthPx: options.width ?? defaults.widthPx,
    heightPx: options.height ?? defaults.heightPx,
    batchSize: options['batch-size'],
    batchCount: options['batch-count'],
    clipSkip: options['clip-skip'] ?? defaults.clipSkip,
    noiseSource: options.rng === 'CPU' ? 'CPU' : 'NV',
    emphasis: EMPHASIS_MODES.find((mode) => mode === options.emphasis) ?? 'Original',
    timestepRule: options.timesteps === 'interpolate' ? 'interpolate' : 'nearest',
    previewEvery: 0,
    ...(options.eta === undefined ? {} : { samplerOptions: { eta: options.eta } }),
    ...(init
      ? {
          init: {
            image: init,
            strength: options.strength,
            resizeMode: RESIZE_MODES.find((mode) => mode === options.resize) ?? 'crop',
            colorCorrection: options['color-correction'],
            ...(mask ? { inpaint: inpaintOf(options, mask) } : {}),
          },
        }
      : {}),
    ...hiresOf(options),
    ...(options.refiner.length > 0
      ? { refiner: { modelId: options.refiner[0] ?? '', switchAt: options['refiner-at'] } }
      : {}),
    ...(options['distilled-cfg'] === undefined ? {} : { distilledGuidance: options['distilled-cfg'] }),
    ...(options.vae === undefined ? {} : { vaeId: options.vae }),
    ...(options.control.length > 0 ? { control: await controlRequests(options) } : {}),
    modelOptions: modelOptionValues(options.option),
    cfgRescale: options['cfg-rescale'],
    guidance: {
      skipEarly: options['skip-early-cfg'],
      minUncondSigma: options.ngms,
      ...(options['image-cfg'] === undefined ? {} : { imageScale: options['image-cfg'] }),
    },
    ensd: options.ensd,
    extraNoise: options['extra-noise'],
    tiling: options.tiling,
    ...saveOf(options),
    ...seriesOf(options),
    ...(options['variation-strength'] > 0
      ? { variation: { seed: options['variation-seed'], strength: options['variation-strength'] } }
      : {}),
  };
}

function inpaintOf(options: Parsed<typeof flags>, mask: PixelImage): InpaintRequest {
  return {
    mask,
    invert: options['mask-invert'],
    blurPx: options['mask-blur'],
    fill: INPAINT_FILLS.find((fill) => fill === options['mask-fill']) ?? 'original',
    area: options['mask-area'] === 'masked' ? 'masked' : 'whole',
    paddingPx: options['mask-padding'],
    ...maskOf(options),
  };
}

function hiresOf(options: Parsed<typeof flags>): Pick<GenerateRequest, 'hires'> {
  const { 'hires-scale': scale, 'hires-width': width, 'hires-height': height, 'hires-cfg': cfgScale } = options;
  if (scale === undefined && width === undefined && height === undefined) return {};
  return {
    hires: {
      upscaler: options['hires-upscaler'],
      scale: scale ?? 0,
      widthPx: width ?? 0,
      heightPx: height ?? 0,
      steps: options['hires-steps'],
      strength: options['hires-strength'],
      sampler: options['hires-sampler'],
      schedule: options['hires-schedule'],
      prompt: options['hires-prompt'],
      negativePrompt: options['hires-negative'],
      ...(cfgScale === undefined ? {} : { cfgScale }),
    },
  };
}

/** The first tensor of a safetensors file, or the one called `latents` or `noise`. */
async function readLatents(path: string): Promise<HostTensor> {
  const source = await openFileSource(path);
  try {
    const { tensors } = await openTensorIndex(source);
    const tensor = tensors.get('latents') ?? tensors.get('noise') ?? [...tensors.values()][0];
    if (!tensor) throw new AppError('file/no-tensors', `${path}: holds no tensor; save the noise as [batch, C, h, w].`);
    return { shape: tensor.shape, data: await dequantizeTensor(tensor) };
  } finally {
    await source.close();
  }
}

function progressBar(quiet: boolean): { show: (event: JobEvent) => void; end: () => void } {
  const live = process.stderr.isTTY && !quiet;
  return {
    show(event) {
      if (event.kind === 'notice') console.error(`note: ${event.message}`);
      if (event.kind !== 'step' || quiet) return;
      const { step, steps, batch, batches, remainingMs } = event;
      const width = 30;
      const filled = Math.round((width * step) / steps);
      const eta = remainingMs === undefined ? '' : `  ${(remainingMs / 1000).toFixed(1)} s left`;
      const many = batches > 1 ? `batch ${batch + 1}/${batches}  ` : '';
      const line = `${many}${'#'.repeat(filled)}${'.'.repeat(width - filled)} ${step}/${steps}${eta}`;
      if (live) process.stderr.write(`\r${line.padEnd(78)}`);
      else if (step === steps) console.error(line);
    },
    end: () => void (live && process.stderr.write('\n')),
  };
}
