/** From checked fields and options to what the pipeline takes. Pure; every field is used, or said to have no effect. */
import type { Style } from '../../lib/prompt/styles';
import { applyStyles } from '../../lib/prompt/styles';
import { extractNetworks } from '../../lib/prompt/extra_networks';
import { LIMITS } from '../../lib/pipeline/job_settings';
import {
  EMPHASIS_MODES,
  INPAINT_FILLS,
  RESIZE_MODES,
  type GenerateRequest,
  type HiresRequest,
  type InitRequest,
  type ModelSummary,
  type PixelImage,
  type SaveRequest,
} from '../../lib/rpc/engine';
import { resolveNames, type ResolvedNames } from '../../lib/sampling/names';
import type { OptionSchema } from '../../lib/sampling/options';
import { getSampler } from '../../lib/sampling/registry';
import type { IMG2IMG_FIELDS, TXT2IMG_FIELDS } from './fields';
import type { Read, Values } from './field';
import { modelOptionsOf, type OptionValues } from './options';
import type { ScriptParts } from './scripts';

export type Txt2img = Values<typeof TXT2IMG_FIELDS>;
export type Img2img = Values<typeof IMG2IMG_FIELDS>;
export type Common = Txt2img | Img2img;

/** A request as it was asked, with everything that needs no model. */
export interface Prepared {
  readonly values: Common;
  readonly given: ReadonlySet<string>;
  readonly options: OptionValues;
  readonly scripts: ScriptParts;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly styles: readonly string[];
  /** Random ones are drawn: what the answer reports. */
  readonly seed: number;
  readonly subseed: number;
  readonly initImages: readonly PixelImage[];
  readonly mask: PixelImage | undefined;
  readonly warnings: readonly string[];
}

export interface Drawn {
  readonly request: GenerateRequest;
  readonly warnings: readonly string[];
}

export const isImg2img = (values: Common): values is Img2img => 'init_images' in values;

/** Prompts with styles, comments out, tags out where they are switched off. */
export function readPrompts(
  { values }: Pick<Read<typeof TXT2IMG_FIELDS>, 'values'> | { readonly values: Common },
  options: OptionValues,
  styles: readonly Style[],
): Pick<Prepared, 'prompt' | 'negativePrompt' | 'styles' | 'warnings'> {
  const asked = values.styles ?? [];
  const pair = { prompt: values.prompt, negative: values.negative_prompt };
  const { prompt, negative, missing } = applyStyles(pair, asked, styles, options.enable_prompt_comments);
  return {
    prompt: values.disable_extra_networks ? extractNetworks(prompt).text : prompt,
    negativePrompt: negative,
    styles: asked,
    warnings: missing.length > 0 ? [`Styles not found: ${missing.map((name) => name.slice(0, 80)).join(', ')}.`] : [],
  };
}

/**
 * The request of one iteration.
 * @param iteration counts from 0; every one draws `batchSize` pictures with the seeds that follow
 * @throws AppError 'sampler/unknown'
 */
export function toRequest(prepared: Prepared, model: ModelSummary, iteration: number): Drawn {
  const { values, options, scripts } = prepared;
  const warnings: string[] = [];
  const old = !isImg2img(values) && (values.firstphase_width > 0 || values.firstphase_height > 0);
  const asked = old
    ? { widthPx: values.firstphase_width || values.width, heightPx: values.firstphase_height || values.height }
    : { widthPx: values.width, heightPx: values.height };
  const size = drawableSize(asked, model.sizeStepPx, warnings);
  const names = resolveNames(values.sampler_name ?? values.sampler_index, values.scheduler);
  const batchSize = prepared.initImages.length > 1 ? 1 : values.batch_size;
  const first = iteration * batchSize;
  const varies = values.subseed_strength > 0;
  const resized = values.seed_resize_from_w > 0 && values.seed_resize_from_h > 0;
  const refiner = refinerOf(prepared);
  tellWithoutEffect(prepared, model, warnings);
  return {
    warnings,
    request: {
      modelId: model.id,
      prompt: prepared.prompt,
      negativePrompt: prepared.negativePrompt,
      steps: values.steps,
      cfgScale: values.cfg_scale,
      sampler: getSampler(names.sampler).label,
      schedule: names.schedule,
      seed: varies ? prepared.seed : prepared.seed + first,
      ...size,
      batchSize,
      batchCount: 1,
      clipSkip: options.CLIP_stop_at_last_layers,
      noiseSource: options.randn_source === 'CPU' ? 'CPU' : 'NV',
      emphasis: EMPHASIS_MODES.find((mode) => mode === options.emphasis) ?? 'Original',
      tiling: values.tiling ?? options.tiling,
      samplerOptions: samplerOptions(values, options, names),
      guidance: {
        skipEarly: options.skip_early_cond,
        minUncondSigma: values.s_min_uncond ?? options.s_min_uncond,
        minUncondAll: options.s_min_uncond_all,
        ...imageScale(values, model),
      },
      ...switches(values, options, model),
      sigmas: {
        min: options.sigma_min,
        max: options.sigma_max,
        rho: options.rho,
        ...(options.beta_dist_alpha === 0.6 ? {} : { betaAlpha: options.beta_dist_alpha }),
        ...(options.beta_dist_beta === 0.6 ? {} : { betaBeta: options.beta_dist_beta }),
        discardPenultimate: options.always_discard_next_to_last_sigma,
      },
      ensd: options.eta_noise_seed_delta,
      sgmNoiseMultiplier: options.sgm_noise_multiplier,
      extraNoise: options.img2img_extra_noise,
      save: saveOf(options),
      previewEvery: options.live_previews_enable ? Math.max(0, options.show_progress_every_n_steps) : 0,
      ...(varies ? { variation: { seed: prepared.subseed + first, strength: values.subseed_strength } } : {}),
      ...(resized ? { seedResize: { widthPx: values.seed_resize_from_w, heightPx: values.seed_resize_from_h } } : {}),
      ...(model.defaults.distilledGuidance === undefined ? {} : { distilledGuidance: values.distilled_cfg_scale }),
      ...(refiner ? { refiner } : {}),
      ...(scripts.control ? { control: scripts.control } : {}),
      ...(scripts.loopback ? { loopback: scripts.loopback } : {}),
      ...scripts.guidance,
      ...(isImg2img(values)
        ? { init: initOf(prepared, values, iteration) }
        : hiresPart(values, prepared.given, old, warnings)),
    },
  };
}

function imageScale(values: Common, { controls }: ModelSummary): { imageScale?: number } {
  const given = isImg2img(values) ? values.image_cfg_scale : null;
  return given === null || !controls.imageGuidance ? {} : { imageScale: Math.min(3, Math.max(0, given)) };
}

/** The model's own switches, where the request or the settings name them. */
function switches(
  values: Common,
  options: OptionValues,
  { defaults }: ModelSummary,
): Pick<GenerateRequest, 'modelOptions'> {
  const second =
    !isImg2img(values) && values.enable_hr && defaults.distilledGuidance !== undefined
      ? { hiresDistilledGuidance: Math.min(30, values.hr_distilled_cfg) }
      : {};
  const modelOptions = { ...modelOptionsOf(options), ...second };
  return Object.keys(modelOptions).length > 0 ? { modelOptions } : {};
}

/** Floored to what the model can draw, as the web UIs floor the latent's size; said, since the request says otherwise. */
function drawableSize(
  asked: { readonly widthPx: number; readonly heightPx: number },
  stepPx: number,
  warnings: string[],
): { widthPx: number; heightPx: number } {
  const least = Math.ceil(LIMITS.sidePx.min / stepPx) * stepPx;
  const floor = (px: number): number => Math.max(least, Math.floor(px / stepPx) * stepPx);
  const size = { widthPx: floor(asked.widthPx), heightPx: floor(asked.heightPx) };
  if (size.widthPx !== asked.widthPx || size.heightPx !== asked.heightPx) {
    warnings.push(
      `Size ${asked.widthPx}x${asked.heightPx} was drawn as ${size.widthPx}x${size.heightPx}: this model needs multiples of ${stepPx}, ${least} at least.`,
    );
  }
  return size;
}

/** Options of the sampler that the request or the settings set, under its own names; others it does not have. */
function samplerOptions(
  values: Common,
  options: OptionValues,
  { sampler, options: implied }: ResolvedNames,
): NonNullable<GenerateRequest['samplerOptions']> {
  const schema: OptionSchema = getSampler(sampler).options;
  const deterministic = schema['eta']?.default === 0;
  const etaOption = deterministic ? options.eta_ddim : options.eta_ancestral;
  const wanted: Readonly<Record<string, number>> = {
    eta: values.eta ?? etaOption,
    sChurn: values.s_churn ?? options.s_churn,
    sTmin: values.s_tmin ?? options.s_tmin,
    sTmax: values.s_tmax ?? options.s_tmax,
    sNoise: values.s_noise ?? options.s_noise,
  };
  const set: Record<string, number | string | boolean> = {};
  for (const [name, value] of Object.entries(implied)) if (value !== undefined) set[name] = value;
  for (const [name, value] of Object.entries(wanted)) {
    if (schema[name] !== undefined && schema[name].default !== value) set[name] = value;
  }
  return set;
}

function saveOf({ samples_format, jpeg_quality }: OptionValues): SaveRequest {
  if (samples_format === 'png') return { format: 'png' };
  return { format: samples_format === 'webp' ? 'webp' : 'jpeg', quality: jpeg_quality };
}

const PASSES = { 'first pass': 'first', 'second pass': 'second', 'both passes': 'both' } as const;

function refinerOf({ scripts, options }: Prepared): GenerateRequest['refiner'] {
  if (!scripts.refiner) return undefined;
  const pass = PASSES[options.hires_fix_refiner_pass as keyof typeof PASSES];
  return { ...scripts.refiner, pass: pass ?? 'second' };
}

function hiresPart(
  values: Txt2img,
  given: ReadonlySet<string>,
  old: boolean,
  warnings: string[],
): { hires?: HiresRequest } {
  if (!values.enable_hr) return {};
  if (values.hr_checkpoint_name !== null && !/^use same/i.test(values.hr_checkpoint_name)) {
    warnings.push('hr_checkpoint_name: the second pass uses the model of the first.');
  }
  const modules = values.hr_additional_modules?.filter((name) => !/^use same/i.test(String(name))) ?? [];
  if (modules.length > 0) warnings.push('hr_additional_modules: the second pass uses the modules of the first.');
  return {
    hires: {
      upscaler: values.hr_upscaler ?? 'Latent',
      scale: values.hr_scale,
      // The old way: width and height are the second pass's, firstphase_… the first one's.
      widthPx: old ? values.width : values.hr_resize_x,
      heightPx: old ? values.height : values.hr_resize_y,
      steps: values.hr_second_pass_steps,
      strength: values.denoising_strength,
      sampler: sameOr(values.hr_sampler_name),
      schedule: sameOr(values.hr_scheduler),
      prompt: values.hr_prompt,
      negativePrompt: values.hr_negative_prompt,
      // Forge's default of 1 would take the negative prompt from clients of A1111, which do not know the field.
      cfgScale: given.has('hr_cfg') ? values.hr_cfg : values.cfg_scale,
    },
  };
}

function sameOr(name: string | null): string {
  return name === null || /^use same/i.test(name) ? '' : name;
}

function initOf(prepared: Prepared, values: Img2img, iteration: number): InitRequest {
  const { options, initImages, mask, scripts } = prepared;
  const image = initImages[iteration % initImages.length];
  if (!image) throw new TypeError('img2img: needs a picture; the route refuses requests without one.');
  return {
    image,
    strength: values.denoising_strength,
    resizeMode: RESIZE_MODES[values.resize_mode] ?? 'just',
    exactSteps: options.img2img_fix_steps,
    noiseMultiplier: values.initial_noise_multiplier ?? options.initial_noise_multiplier,
    ...(options.img2img_color_correction ? { colorCorrection: true } : {}),
    ...(mask
      ? {
          inpaint: {
            mask,
            invert: values.inpainting_mask_invert === 1,
            blurPx: values.mask_blur ?? values.mask_blur_x,
            fill: INPAINT_FILLS[values.inpainting_fill] ?? 'fill',
            area: values.inpaint_full_res ? ('masked' as const) : ('whole' as const),
            paddingPx: values.inpaint_full_res_padding,
            round: values.mask_round,
            conditioningWeight: options.inpainting_mask_weight,
            ...(scripts.soft ? { soft: scripts.soft } : {}),
          },
        }
      : {}),
  };
}

/** Fields that were set to something and do nothing: each with the reason. */
function tellWithoutEffect(
  { values, given, options, initImages }: Prepared,
  model: ModelSummary,
  warnings: string[],
): void {
  const say = (when: boolean, text: string): void => {
    if (when) warnings.push(text);
  };
  say(values.restore_faces ?? options.face_restoration, 'restore_faces: there is no face restoration here.');
  say(values.firstpass_image !== null, 'firstpass_image: both passes were drawn anew.');
  say(
    given.has('distilled_cfg_scale') &&
      values.distilled_cfg_scale !== 3.5 &&
      model.defaults.distilledGuidance === undefined,
    'distilled_cfg_scale: this model has no guidance input.',
  );
  if (!isImg2img(values)) return;
  say(
    values.image_cfg_scale !== null && values.image_cfg_scale !== 1.5 && !model.controls.imageGuidance,
    'image_cfg_scale: this model takes no picture beside the latent.',
  );
  say(
    values.mask_blur === null && values.mask_blur_x !== values.mask_blur_y,
    'mask_blur_y: the mask is blurred alike in both directions, by mask_blur_x.',
  );
  say(
    initImages.length > 1 && values.batch_size > 1,
    `batch_size: ${initImages.length} start pictures are drawn one after another.`,
  );
}
