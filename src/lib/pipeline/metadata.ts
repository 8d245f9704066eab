/** What a picture's file says of how it was made, in the grammar that the web UIs write and read. */
import { nameOf } from '../base/file_path';
import { writeParameters } from '../infotext/parameter_fields';
import { emptyParameters, type GenerationParameters, type HiresParameters } from '../infotext/parameters';
import { optionsToInfotext } from '../options/infotext';
import {
  REFINER_PASS_NAMES,
  SOFT_INPAINT,
  SOFT_INPAINT_NAMES,
  type ControlMode,
  type GenerateRequest,
  type InpaintFill,
  type InpaintRequest,
} from '../rpc/engine';
import { scheduleLabel } from '../sampling/names';
import { DYNAMIC_THRESHOLDING_KEY, GUIDANCE_KEY, guidanceOptions, resolveGuidance } from '../sampling/guidance/methods';
import { optionKey } from '../sampling/options';
import type { ControlUnit } from './control/control_set';
import type { JobSettings } from './job_settings';
import type { ChosenVae, LoadedModel } from './loaded_model';

/** Facts that only the run knows. */
export interface RunFacts {
  readonly loraHashes: ReadonlyMap<string, string>;
  readonly embeddingHashes: ReadonlyMap<string, string>;
  /** Name and hash of the second model, when it took over. */
  readonly refiner?: string | undefined;
  /** The autoencoder, when it is not the model's own. */
  readonly vae?: ChosenVae | undefined;
  /** Units that had an effect. */
  readonly control?: readonly ControlUnit[];
  /** False when an empty mask made the job plain img2img. */
  readonly masked: boolean;
}

/** The seed of picture `index` of a job: a variation keeps the seed and counts its own up. */
function seedOf({ request, seed }: JobSettings, index: number): number {
  return (request.variation?.strength ?? 0) > 0 ? seed : seed + index;
}

export function describeImage(
  model: LoadedModel,
  settings: JobSettings,
  index: number,
  facts: RunFacts,
): { seed: number; infotext: string } {
  const seed = seedOf(settings, index);
  return { seed, infotext: writeParameters(parametersOf(model, settings, index, facts)) };
}

function parametersOf(model: LoadedModel, settings: JobSettings, index: number, facts: RunFacts): GenerationParameters {
  const { request, sampler } = settings;
  const { variation, seedResize, init, refiner, sigmas = {} } = request;
  const options = samplerEntries(settings);
  const option = (key: string) => {
    const value = options.get(key);
    return typeof value === 'number' ? value : undefined;
  };
  const strength = init?.strength ?? (settings.hires ? request.hires?.strength : undefined);
  return {
    ...emptyParameters(request.prompt, request.negativePrompt),
    steps: request.steps,
    sampler: sampler.label,
    schedule: scheduleLabel(settings.schedule),
    cfgScale: request.cfgScale,
    seed: seedOf(settings, index),
    widthPx: request.widthPx,
    heightPx: request.heightPx,
    model: model.name,
    ...(model.hash === '' ? {} : { modelHash: model.hash }),
    ...(variation && variation.strength > 0
      ? { variationSeed: variation.seed + index, variationStrength: variation.strength }
      : {}),
    ...(seedResize ? { seedResizeWidthPx: seedResize.widthPx, seedResizeHeightPx: seedResize.heightPx } : {}),
    ...(request.clipSkip > 1 ? { clipSkip: request.clipSkip } : {}),
    rng: request.noiseSource,
    ...(request.tiling ? { tiling: true } : {}),
    ...(request.emphasis && request.emphasis !== 'Original' ? { emphasis: request.emphasis } : {}),
    ...defined({
      distilledCfgScale: request.distilledGuidance,
      imageCfgScale: request.guidance?.imageScale,
      denoisingStrength: strength,
      eta: option('Eta'),
      sigmaChurn: option('Sigma churn'),
      sigmaTmin: option('Sigma tmin'),
      sigmaTmax: option('Sigma tmax'),
      sigmaNoise: option('Sigma noise'),
      etaNoiseSeedDelta: request.ensd || undefined,
      scheduleSigmaMin: sigmas.min || undefined,
      scheduleSigmaMax: sigmas.max || undefined,
      scheduleRho: sigmas.rho || undefined,
      betaAlpha: sigmas.betaAlpha || undefined,
      betaBeta: sigmas.betaBeta || undefined,
    }),
    ...(facts.loraHashes.size > 0 ? { loraHashes: facts.loraHashes } : {}),
    ...(facts.embeddingHashes.size > 0 ? { embeddingHashes: facts.embeddingHashes } : {}),
    ...(init?.inpaint && facts.masked ? inpaintParameters(init.inpaint) : {}),
    ...(settings.hires ? { hires: hiresParameters(request, settings) } : {}),
    ...(refiner && facts.refiner !== undefined
      ? { refiner: { checkpoint: facts.refiner, switchAt: refiner.switchAt, switchBySteps: true } }
      : {}),
    ...(facts.vae ? vaeNames(facts.vae) : {}),
    extra: new Map([
      ...extraOf(request),
      ...[...options].filter(([key]) => !TYPED_OPTIONS.has(key)).map(([key, value]) => [key, textOf(value)] as const),
      ...guidanceEntries(request),
      ...optionsToInfotext(request.modelOptions ?? {}),
      ...controlTexts(facts.control),
    ]),
    version: 'Sketchforge 0.1.0',
  };
}

/** Options with fields of their own in `GenerationParameters`. */
const TYPED_OPTIONS: ReadonlySet<string> = new Set(['Eta', 'Sigma churn', 'Sigma tmin', 'Sigma tmax', 'Sigma noise']);

/** What was set of the sampler's options, by the keys of generation parameters; defaults are left out. */
function samplerEntries({ sampler, samplerOptions }: JobSettings): ReadonlyMap<string, string | number | boolean> {
  return new Map(
    Object.entries(sampler.options).flatMap(([name, def]) => {
      const value = samplerOptions[name];
      return value === undefined || value === def.default ? [] : [[optionKey(name, def), value] as const];
    }),
  );
}

/** The guidance method with all of its options, as Forge writes those of dynamic thresholding; nothing for CFG. */
function guidanceEntries({
  guidanceMethod = 'cfg',
  guidanceOptions: given = {},
}: GenerateRequest): Map<string, string> {
  const { id, label, options } = resolveGuidance(guidanceMethod, given);
  const entries = new Map<string, string>();
  if (id === 'cfg') return entries;
  entries.set(GUIDANCE_KEY, label);
  if (id === 'dynamicThresholding') entries.set(DYNAMIC_THRESHOLDING_KEY, 'True');
  for (const [name, def] of Object.entries(guidanceOptions(id))) {
    entries.set(optionKey(name, def), textOf(options[name] ?? def.default));
  }
  return entries;
}

/** As Python writes a value. */
const textOf = (value: string | number | boolean): string =>
  typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);

const FILL_NAMES: Readonly<Record<InpaintFill, string>> = {
  fill: 'fill',
  original: 'original',
  latentNoise: 'latent noise',
  latentNothing: 'latent nothing',
};

function inpaintParameters({
  blurPx,
  invert,
  fill,
  area,
  paddingPx,
  conditioningWeight,
}: InpaintRequest): Partial<GenerationParameters> {
  return {
    maskBlur: blurPx,
    ...(invert ? { maskMode: 'Inpaint not masked' } : {}),
    ...(fill === 'original' ? {} : { maskedContent: FILL_NAMES[fill] }),
    ...(area === 'masked' ? { inpaintArea: 'Only masked', maskedPaddingPx: paddingPx } : {}),
    ...(conditioningWeight === undefined ? {} : { conditionalMaskWeight: conditioningWeight }),
  };
}

/** Keys only where the second pass differs from the first, as the web UIs write them. */
function hiresParameters(request: GenerateRequest, { hires, sampler, schedule }: JobSettings): HiresParameters {
  const own = request.hires;
  if (!own || !hires) return {};
  const sized = own.widthPx > 0 || own.heightPx > 0;
  return {
    upscaler: own.upscaler,
    ...(sized ? { widthPx: own.widthPx, heightPx: own.heightPx } : { upscale: own.scale }),
    ...(own.steps > 0 ? { steps: own.steps } : {}),
    ...(hires.sampler.id === sampler.id ? {} : { sampler: hires.sampler.label }),
    ...(hires.schedule === schedule ? {} : { schedule: scheduleLabel(hires.schedule) }),
    ...(own.prompt === '' || own.prompt === request.prompt ? {} : { prompt: own.prompt }),
    ...(own.negativePrompt === '' || own.negativePrompt === request.negativePrompt
      ? {}
      : { negative: own.negativePrompt }),
    ...(own.cfgScale === undefined ? {} : { cfgScale: own.cfgScale }),
  };
}

const CONTROL_MODE_NAMES: Readonly<Record<ControlMode, string>> = {
  balanced: 'Balanced',
  prompt: 'My prompt is more important',
  control: 'ControlNet is more important',
};
const RESIZE_NAMES = { just: 'Just Resize', crop: 'Crop and Resize', fill: 'Resize and Fill' } as const;

/** One key per unit, in the words of the ControlNet extension (Mikubill/sd-webui-controlnet, infotext). */
function controlTexts(units: readonly ControlUnit[] = []): [string, string][] {
  return units.map(({ control, request }, i) => {
    const { weight, start, end, mode, resizeMode = 'crop', preprocessor = 'None' } = request;
    const parts = [
      `Module: ${preprocessor}`,
      `Model: ${control.name} [${control.hash}]`,
      `Weight: ${weight}`,
      `Resize Mode: ${RESIZE_NAMES[resizeMode]}`,
      `Guidance Start: ${start}`,
      `Guidance End: ${end}`,
      `Control Mode: ${CONTROL_MODE_NAMES[mode]}`,
    ];
    return [`ControlNet ${i}`, parts.join(', ')];
  });
}

/** Keys without a typed field. */
function extraOf({
  guidance,
  cfgRescale,
  extraNoise,
  hires,
  init,
  refiner,
  sigmas,
  sgmNoiseMultiplier,
  timestepRule = 'nearest',
}: GenerateRequest): Map<string, string> {
  const extra = new Map<string, string>();
  const add = (key: string, value: number | undefined, off: number): void => {
    if (value !== undefined && value !== off) extra.set(key, String(value));
  };
  add('NGMS', guidance?.minUncondSigma, 0);
  if (guidance?.minUncondAll) extra.set('NGMS all steps', 'True');
  add('Skip Early CFG', guidance?.skipEarly, 0);
  add('CFG rescale', cfgRescale, 0);
  add('Extra noise', extraNoise, 0);
  add('Noise multiplier', init?.noiseMultiplier, 1);
  const { inpaint } = init ?? {};
  if (inpaint?.round === false && !inpaint.soft) extra.set('Mask rounding', 'False');
  if (inpaint?.soft) {
    extra.set('Soft inpainting enabled', 'True');
    for (const name of SOFT_INPAINT_NAMES) extra.set(SOFT_INPAINT[name].infotext, String(inpaint.soft[name]));
  }
  if (init && init.resizeMode !== 'just') extra.set('Resize mode', init.resizeMode);
  if (init?.exactSteps) extra.set('Exact steps', 'True');
  const { pass = 'second' } = refiner ?? {};
  if (hires && pass !== 'second') extra.set('Hires refiner', REFINER_PASS_NAMES[pass]);
  if (timestepRule !== 'nearest') extra.set('Timestep rule', timestepRule);
  if (init?.colorCorrection) extra.set('Color correction', 'True');
  if (sigmas?.discardPenultimate) extra.set('Discard penultimate sigma', 'True');
  if (sgmNoiseMultiplier) extra.set('SGM noise multiplier', 'True');
  return extra;
}

function defined<T extends Record<string, number | undefined>>(values: T): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: number;
  };
}

/** As A1111 names an autoencoder: its file, and the first digits of its hash. */
function vaeNames({ part, hash }: ChosenVae): Pick<GenerationParameters, 'vae' | 'vaeHash'> {
  return { vae: nameOf(part.file), ...(hash === '' ? {} : { vaeHash: hash }) };
}
