/** From what a picture says about its making to the form's settings, and a list of what has no place there. Pure. */
import { readSampler } from '../infotext/samplers';
import { pairsOfParameters } from '../infotext/parameter_fields';
import type { GenerationParameters } from '../infotext/parameters';
import { EMPHASIS_MODES, type HiresRequest } from '../rpc/engine';
import type { Parameters } from './generation.svelte';

export interface KnownModel {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  /** Shipped with the app: opened by its own name, not from the store. */
  readonly builtin: boolean;
}

export interface MissingFile {
  readonly kind: 'model' | 'lora' | 'refiner';
  readonly name: string;
  readonly hash: string;
}

export interface ReadSettings {
  readonly settings: Partial<Parameters>;
  /** The model to open, when it is here; undefined when the text names none or it is missing. */
  readonly model?: KnownModel;
  readonly missing: readonly MissingFile[];
  /** Entries that the form has no place for, as written: they had a part in the picture and are not applied. */
  readonly unmapped: readonly (readonly [key: string, value: string])[];
  /** Old or foreign names that were understood, and names that were not. */
  readonly notices: readonly string[];
}

/** Keys of the text that are settings of ours, or say nothing that decides pixels. */
const APPLIED = new Set(
  [
    'Steps|Sampler|Schedule type|CFG scale|Distilled CFG Scale|Seed|Size|Model hash|Model|Clip skip|RNG|Tiling|Eta',
    'Variation seed|Variation seed strength|Seed resize from|Emphasis|Version|Lora hashes|Refiner|Refiner switch at',
    'Hires upscale|Hires resize|Hires steps|Hires upscaler|Hires sampler|Hires schedule type|Hires prompt',
    'Hires negative prompt|Hires CFG Scale|Template|Negative Template|User|Batch size|Batch pos',
  ].flatMap((line) => line.split('|')),
);

/**
 * Everything of `parameters` that the form can hold. What the text does not say keeps the program's own default of
 * old times: RNG of the web UIs is the graphics card's, clip skip 1, no variation.
 * @param models  models that are at hand, built-in ones included
 */
export function settingsFromParameters(parameters: GenerationParameters, models: readonly KnownModel[]): ReadSettings {
  const read = readSampler(parameters);
  const model = findModel(parameters, models);
  const missing: MissingFile[] = [];
  if (!model && (parameters.model ?? parameters.modelHash) !== undefined) {
    missing.push({ kind: 'model', name: parameters.model ?? '', hash: parameters.modelHash ?? '' });
  }
  for (const [name, hash] of parameters.loraHashes ?? []) {
    if (!models.some((known) => sameHash(known.hash, hash) || known.name === name)) {
      missing.push({ kind: 'lora', name, hash });
    }
  }
  const refiner = parameters.refiner && models.find((known) => sameName(known, parameters.refiner?.checkpoint ?? ''));
  if (parameters.refiner && !refiner) {
    missing.push({ kind: 'refiner', name: parameters.refiner.checkpoint, hash: '' });
  }
  const { steps, cfgScale, widthPx, heightPx, seed, distilledCfgScale, variationSeed, variationStrength } = parameters;
  const emphasis = EMPHASIS_MODES.find((mode) => mode === parameters.emphasis);
  const hires = hiresOf(parameters);
  const settings: Partial<Parameters> = {
    prompt: parameters.prompt,
    negativePrompt: parameters.negative,
    sampler: read.sampler,
    schedule: read.schedule,
    batchSize: 1,
    batchCount: 1,
    clipSkip: Math.max(1, parameters.clipSkip ?? 1),
    // Pictures of the web UIs without this entry were made with the card's generator.
    noiseSource: parameters.rng === 'CPU' ? 'CPU' : 'NV',
    ...(steps === undefined ? {} : { steps }),
    ...(cfgScale === undefined ? {} : { cfgScale }),
    ...(seed === undefined ? {} : { seed }),
    ...(widthPx === undefined || heightPx === undefined ? {} : { widthPx, heightPx }),
    ...(distilledCfgScale === undefined ? {} : { distilledGuidance: distilledCfgScale }),
    ...(variationSeed !== undefined && variationStrength !== undefined && variationStrength > 0
      ? { variation: { seed: variationSeed, strength: variationStrength } }
      : {}),
    ...(parameters.seedResizeWidthPx && parameters.seedResizeHeightPx
      ? { seedResize: { widthPx: parameters.seedResizeWidthPx, heightPx: parameters.seedResizeHeightPx } }
      : {}),
    ...(parameters.tiling ? { tiling: true } : {}),
    ...(parameters.eta === undefined ? {} : { samplerOptions: { eta: parameters.eta } }),
    ...(emphasis && emphasis !== 'Original' ? { emphasis } : {}),
    ...(hires ? { hires } : {}),
    ...(refiner ? { refiner: { modelId: refiner.id, switchAt: parameters.refiner?.switchAt ?? 0.8 } } : {}),
  };
  const applied = hires ? new Set([...APPLIED, 'Denoising strength']) : APPLIED;
  return {
    settings,
    ...(model ? { model } : {}),
    missing,
    unmapped: pairsOfParameters(parameters).filter(([key]) => !applied.has(key)),
    notices: [...read.notices, ...read.problems.map((problem) => problem.message)],
  };
}

/** Optional settings that a text without them must switch off: else the last picture's would stay in the form. */
export const OPTIONAL_SETTINGS = [
  'variation',
  'seedResize',
  'samplerOptions',
  'cfgRescale',
  'distilledGuidance',
  'emphasis',
  'tiling',
  'init',
  'hires',
  'refiner',
] as const satisfies readonly (keyof Parameters)[];

function hiresOf({ hires, denoisingStrength }: GenerationParameters): HiresRequest | undefined {
  if (!hires || (hires.upscaler === undefined && hires.upscale === undefined && !hires.widthPx)) return undefined;
  return {
    upscaler: hires.upscaler ?? 'Latent',
    scale: hires.upscale ?? 0,
    widthPx: hires.widthPx ?? 0,
    heightPx: hires.heightPx ?? 0,
    steps: hires.steps ?? 0,
    strength: denoisingStrength ?? 0.7,
    sampler: hires.sampler && hires.sampler !== 'Use same sampler' ? hires.sampler : '',
    schedule: hires.schedule && hires.schedule !== 'Use same scheduler' ? hires.schedule : '',
    prompt: hires.prompt ?? '',
    negativePrompt: hires.negative ?? '',
    ...(hires.cfgScale === undefined ? {} : { cfgScale: hires.cfgScale }),
  };
}

/** The hash decides; a name counts only where the text has no hash. */
function findModel({ model, modelHash }: GenerationParameters, models: readonly KnownModel[]): KnownModel | undefined {
  if (modelHash) {
    const found = models.find((known) => sameHash(known.hash, modelHash));
    if (found) return found;
  }
  return modelHash || !model ? undefined : models.find((known) => sameName(known, model));
}

function sameHash(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length, 10);
  return length >= 8 && a.slice(0, length).toLowerCase() === b.slice(0, length).toLowerCase();
}

function sameName(known: KnownModel, text: string): boolean {
  const plain = (name: string) =>
    name
      .replace(/\s*\[[0-9a-f]+\]\s*$/i, '')
      .replace(/\.(safetensors|ckpt|gguf)$/i, '')
      .replace(/^.*[\\/]/, '')
      .toLowerCase();
  return plain(known.name) === plain(text);
}
