/** From what a picture says about its making to the form's settings, and a list of what has no place there. Pure. */
import type { GenerationParameters } from '../infotext/parameters';
import { pairsOfParameters } from '../infotext/parameter_fields';
import { readSampler } from '../infotext/samplers';
import { optionsFromLegacy } from '../options/legacy';
import { MODEL_OPTIONS } from '../options/model_options';
import {
  SOFT_INPAINT_DEFAULTS,
  type HiresRequest,
  type InitRequest,
  type InpaintFill,
  type NetworkSummary,
} from '../rpc/engine';
import { DYNAMIC_THRESHOLDING_KEY, findGuidance, GUIDANCE_KEY } from '../sampling/guidance/methods';
import type { Parameters } from './generation.svelte';
import { guidanceParameters, modelParameters, samplerParameters } from './parameters/dynamic_parameters';
import type { ParameterContext, ParameterDef } from './parameters/parameter';
import { withValueAt } from './parameters/parameter_path';
import { PARAMETERS } from './parameters/parameter_table';
import { readValue } from './parameters/read_value';

export interface KnownModel {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  /** Shipped with the app: opened by its own name, not from the store. */
  readonly builtin: boolean;
}

export interface MissingFile {
  readonly kind: 'model' | 'lora' | 'embedding' | 'refiner' | 'upscaler' | 'vae' | 'init' | 'mask';
  readonly name: string;
  readonly hash: string;
}

export interface ReadSettings {
  readonly settings: Partial<Parameters>;
  /** Of a picture that began with another one: what to set about it, when it is at hand. */
  readonly init?: Partial<InitRequest>;
  readonly masked: boolean;
  /** The model to open, when it is here; undefined when the text names none or it is missing. */
  readonly model?: KnownModel;
  readonly missing: readonly MissingFile[];
  /** Entries that the form has no place for, as written: they had a part in the picture and are not applied. */
  readonly unmapped: readonly (readonly [key: string, value: string])[];
  /** Old or foreign names that were understood, and names that were not. */
  readonly notices: readonly string[];
}

/** Files at hand. */
export interface KnownFiles {
  readonly models: readonly KnownModel[];
  readonly networks: readonly NetworkSummary[];
}

/** Keys whose values are more than one parameter, or are named otherwise than here. */
const OWN_RULES: ReadonlySet<string> = new Set(
  [
    'Steps|Sampler|Schedule type|CFG scale|Distilled CFG Scale|Seed|Size|Model hash|Model|Clip skip|RNG|Tiling',
    'Variation seed|Variation seed strength|Seed resize from|Version|Lora hashes|TI hashes|TI|Refiner',
    'Refiner switch at|Refiner switch by sampling steps|VAE|VAE hash|Denoising strength|Init image hash',
    'Hires upscale|Hires resize|Hires steps|Hires upscaler|Hires sampler|Hires schedule type|Hires prompt',
    'Hires negative prompt|Hires CFG Scale|Mask mode|Masked content|Inpaint area|Soft inpainting enabled',
    'Template|Negative Template|User|Batch size|Batch pos|dynthres_enabled',
  ].flatMap((line) => line.split('|')),
);

/**
 * Everything of `parameters` that the form can hold. What the text does not say keeps the program's own default of
 * old times: RNG of the web UIs is the graphics card's, clip skip 1, no variation.
 */
export function settingsFromParameters(parameters: GenerationParameters, known: KnownFiles): ReadSettings {
  const read = readSampler(parameters);
  const model = findModel(parameters, known.models);
  const refiner = parameters.refiner && known.models.find((one) => sameName(one, parameters.refiner?.checkpoint ?? ''));
  const vae = parameters.vae === undefined ? undefined : findNetwork(known, 'vae', parameters.vae, parameters.vaeHash);
  const hires = hiresOf(parameters);
  const { steps, cfgScale, widthPx, heightPx, seed, distilledCfgScale, variationSeed, variationStrength } = parameters;
  const base: Partial<Parameters> = {
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
    ...guidanceOf(parameters),
    ...(hires ? { hires } : {}),
    ...(refiner ? { refiner: { modelId: refiner.id, switchAt: parameters.refiner?.switchAt ?? 0.8 } } : {}),
    ...(vae ? { vaeId: vae.id } : {}),
    ...inpaintOf(parameters),
  };
  const { settings, init, left } = readTable(base as Parameters, parameters);
  const legacy = optionsFromLegacy(left, 'infotext');
  const masked = parameters.maskBlur !== undefined || parameters.maskMode !== undefined;
  const began = !hires && parameters.denoisingStrength !== undefined;
  const modelOptions = { ...settings.modelOptions, ...legacy.options };
  return {
    settings: Object.keys(legacy.options).length > 0 ? { ...settings, modelOptions } : settings,
    ...(began ? { init: { ...init, strength: parameters.denoisingStrength } } : {}),
    masked,
    ...(model ? { model } : {}),
    missing: missingFiles(parameters, known, { model, refiner, vae }),
    unmapped: left.filter(([key]) => !legacy.known.has(key)),
    notices: [
      ...read.notices,
      ...read.problems.map((problem) => problem.message),
      ...legacy.notes.map(({ name, note }) => `${name}: ${note}`),
    ],
  };
}

/** What the table of parameters knows to read; `left` is what nobody knows. */
function readTable(
  base: Parameters,
  parameters: GenerationParameters,
): { settings: Parameters; init: Partial<InitRequest>; left: ReadSettings['unmapped'] } {
  let settings = base;
  let init: Partial<InitRequest> = {};
  const left: (readonly [string, string])[] = [];
  const defs = [
    ...PARAMETERS,
    ...samplerParameters(base.sampler),
    ...guidanceParameters(base.guidanceMethod),
    ...modelParameters(MODEL_OPTIONS),
  ];
  for (const [key, text] of pairsOfParameters(parameters)) {
    if (OWN_RULES.has(key)) continue;
    const def = defs.find((one) => keysOf(one).includes(key) && hasPart(one, base));
    const context: ParameterContext = {
      parameters: settings,
      model: undefined,
      models: [],
      upscalers: [],
      vaes: [],
      sketching: false,
    };
    const value = def && readValue(def, text, context);
    if (!def || value === undefined) left.push([key, text]);
    else if (def.group === 'init') init = { ...init, [def.path.replace(/^init\./, '')]: value };
    else settings = withValueAt(settings, def.path, value);
  }
  return { settings, init, left };
}

/** Settings of a second pass or model have a place only where the form has one. */
function hasPart({ group }: ParameterDef, { hires, refiner }: Partial<Parameters>): boolean {
  return (group !== 'hires' || hires !== undefined) && (group !== 'refiner' || refiner !== undefined);
}

/** Keys under which texts have a parameter: DDIM's eta is read as the common one, soft inpainting's numbers stand bare in some. */
function keysOf({ infotext = '', group }: ParameterDef): readonly string[] {
  if (infotext === 'Eta DDIM') return ['Eta'];
  if (group !== 'soft') return [infotext];
  const bare = infotext.replace(/^Soft inpainting /, '');
  return [infotext, bare.charAt(0).toUpperCase() + bare.slice(1)];
}

/** Optional settings that a text without them must switch off: else the last picture's would stay in the form. */
export const OPTIONAL_SETTINGS = [
  'variation',
  'seedResize',
  'samplerOptions',
  'modelOptions',
  'cfgRescale',
  'guidance',
  'guidanceMethod',
  'guidanceOptions',
  'sigmas',
  'ensd',
  'sgmNoiseMultiplier',
  'extraNoise',
  'distilledGuidance',
  'timestepRule',
  'emphasis',
  'tiling',
  'inpaint',
  'hires',
  'refiner',
  'control',
  'vaeId',
  'loopback',
  'plot',
  'styles',
] as const satisfies readonly (keyof Parameters)[];

const FILLS: Readonly<Record<string, InpaintFill>> = {
  fill: 'fill',
  original: 'original',
  'latent noise': 'latentNoise',
  'latent nothing': 'latentNothing',
};

function inpaintOf(parameters: GenerationParameters): Pick<Parameters, 'inpaint'> {
  const { maskMode, maskedContent, inpaintArea, extra } = parameters;
  const fill = FILLS[maskedContent ?? ''];
  const inpaint: NonNullable<Parameters['inpaint']> = {
    ...(maskMode === 'Inpaint not masked' ? { invert: true } : {}),
    ...(fill && fill !== 'original' ? { fill } : {}),
    ...(inpaintArea === 'Only masked' ? { area: 'masked' } : {}),
    ...(extra.get('Soft inpainting enabled') === 'True' ? { soft: SOFT_INPAINT_DEFAULTS } : {}),
  };
  return Object.keys(inpaint).length > 0 ? { inpaint } : {};
}

/** The method that the text names; Forge names dynamic thresholding by a switch of its own. */
function guidanceOf({ extra }: GenerationParameters): Pick<Parameters, 'guidanceMethod'> {
  const named = findGuidance(extra.get(GUIDANCE_KEY) ?? '');
  if (named) return named.id === 'cfg' ? {} : { guidanceMethod: named.id };
  return extra.get(DYNAMIC_THRESHOLDING_KEY) === 'True' ? { guidanceMethod: 'dynamicThresholding' } : {};
}

function hiresOf({ hires, denoisingStrength }: GenerationParameters): HiresRequest | undefined {
  if (!hires || (hires.upscaler === undefined && hires.upscale === undefined && !hires.widthPx)) return undefined;
  return {
    upscaler: hires.upscaler ?? 'Latent',
    scale: hires.upscale ?? 2,
    widthPx: hires.widthPx ?? 0,
    heightPx: hires.heightPx ?? 0,
    steps: hires.steps ?? 0,
    strength: denoisingStrength ?? 0.7,
    sampler: hires.sampler && hires.sampler !== 'Use same sampler' ? readSampler(hires).sampler : '',
    schedule: hires.schedule && hires.schedule !== 'Use same scheduler' ? readSampler(hires).schedule : '',
    prompt: hires.prompt ?? '',
    negativePrompt: hires.negative ?? '',
    ...(hires.cfgScale === undefined ? {} : { cfgScale: hires.cfgScale }),
  };
}

function missingFiles(
  parameters: GenerationParameters,
  known: KnownFiles,
  found: { readonly model: unknown; readonly refiner: unknown; readonly vae: unknown },
): readonly MissingFile[] {
  const missing: MissingFile[] = [];
  const miss = (kind: MissingFile['kind'], name: string, hash = '') => missing.push({ kind, name, hash });
  const { model, modelHash, refiner, vae, vaeHash } = parameters;
  if (!found.model && (model ?? modelHash) !== undefined) miss('model', model ?? '', modelHash);
  for (const [kind, hashes] of [
    ['lora', parameters.loraHashes],
    ['embedding', parameters.embeddingHashes],
  ] as const) {
    for (const [name, hash] of hashes ?? []) {
      const here = findNetwork(known, kind, name, hash) ?? known.models.find((one) => sameHash(one.hash, hash));
      if (!here) miss(kind, name, hash);
    }
  }
  if (refiner && !found.refiner) miss('refiner', refiner.checkpoint);
  if (vae !== undefined && !found.vae) miss('vae', vae, vaeHash);
  return missing;
}

/** The hash decides; a name counts only where the text has no hash. */
function findModel({ model, modelHash }: GenerationParameters, models: readonly KnownModel[]): KnownModel | undefined {
  if (modelHash) {
    const found = models.find((known) => sameHash(known.hash, modelHash));
    if (found) return found;
  }
  return modelHash || !model ? undefined : models.find((known) => sameName(known, model));
}

function findNetwork(
  { networks }: KnownFiles,
  kind: NetworkSummary['kind'],
  name: string,
  hash: string | undefined,
): NetworkSummary | undefined {
  const ofKind = networks.filter((network) => network.kind === kind);
  const byHash = hash ? ofKind.find((network) => sameHash(network.hash, hash)) : undefined;
  return byHash ?? ofKind.find((network) => sameName(network, name));
}

function sameHash(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length, 10);
  return length >= 8 && a.slice(0, length).toLowerCase() === b.slice(0, length).toLowerCase();
}

function sameName(known: { readonly name: string }, text: string): boolean {
  const plain = (name: string) =>
    name
      .replace(/\s*\[[0-9a-f]+\]\s*$/i, '')
      .replace(/\.(safetensors|ckpt|gguf|pt)$/i, '')
      .replace(/^.*[\\/]/, '')
      .toLowerCase();
  return plain(known.name) === plain(text);
}
