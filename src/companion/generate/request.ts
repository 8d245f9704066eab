/** What `npm run generate` was asked for, as the pipeline's request. */
import { AppError } from '../../lib/base/errors';
import type { GenerateRequest, InpaintRequest, PixelImage } from '../../lib/rpc/engine';
import { EMPHASIS_MODES, INPAINT_FILLS, RESIZE_MODES } from '../../lib/rpc/engine';
import { guidanceOptions, resolveGuidance } from '../../lib/sampling/guidance/methods';
import { controlRequests, modelOptionValues, withTags, type LoraFlag } from '../network_flags';
import { decodePicture } from '../node_codecs';
import { readWhole } from '../node_files';
import type { GenerateOptions } from './flags';
import { maskOf, saveOf, seriesOf } from './series';

export async function requestOf(
  options: GenerateOptions,
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
    guidanceMethod: options.guidance,
    guidanceOptions: guidanceOptionValues(options.guidance, options['guidance-option']),
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

function inpaintOf(options: GenerateOptions, mask: PixelImage): InpaintRequest {
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

function hiresOf(options: GenerateOptions): Pick<GenerateRequest, 'hires'> {
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

/** @throws AppError 'argument/invalid' for an option that the method has not, or a text that is no value of it */
function guidanceOptionValues(
  method: string,
  words: readonly string[],
): NonNullable<GenerateRequest['guidanceOptions']> {
  const schema = guidanceOptions(resolveGuidance(method, {}).id);
  return Object.fromEntries(
    words.map((word) => {
      const [, name = '', text = ''] = /^([^=]*)=(.*)$/.exec(word) ?? [];
      const def = schema[name];
      if (!def || text === '') {
        const known = Object.keys(schema).join(', ') || 'none';
        throw new AppError(
          'argument/invalid',
          `--guidance-option: ${method} has ${known}; give NAME=VALUE, got "${word.slice(0, 80)}".`,
          { details: { option: word } },
        );
      }
      return [name, def.kind === 'number' ? Number(text) : text];
    }),
  );
}
