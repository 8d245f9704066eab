/**
 * Options of `/sdapi/v1/options` and `override_settings`: an allow-list with the original's names. No paths, no
 * commands; every other name is reported and does nothing.
 */
import { EMPHASIS_MODES } from '../../lib/rpc/engine';
import { optionsFromLegacy } from '../../lib/options/legacy';
import type { ModelOptionValues } from '../../lib/options/model_options';
import { objectOf, readFields, type Fields, type Values } from './field';

const flag = (value: boolean) => ({ kind: 'boolean', default: value }) as const;
const number = (value: number, min: number, max: number) => ({ kind: 'number', default: value, min, max }) as const;
const whole = (value: number, min: number, max: number) => ({ kind: 'integer', default: value, min, max }) as const;
const text = (value: string) => ({ kind: 'string', default: value }) as const;

export const OPTIONS = {
  /** Filled in by the server: the first model of its list. */
  sd_model_checkpoint: text(''),
  sd_vae: text('Automatic'),
  forge_additional_modules: { kind: 'string[]', default: [] },
  CLIP_stop_at_last_layers: whole(1, 1, 12),
  randn_source: text('NV'),
  eta_noise_seed_delta: whole(0, -1e9, 1e9),
  emphasis: text('Original'),
  enable_prompt_comments: flag(true),
  tiling: flag(false),
  eta_ddim: number(0, 0, 1),
  eta_ancestral: number(1, 0, 1),
  s_churn: number(0, 0, 100),
  s_tmin: number(0, 0, 10),
  s_tmax: number(0, 0, 1e9),
  s_noise: number(1, 0, 2),
  s_min_uncond: number(0, 0, 1e6),
  s_min_uncond_all: flag(false),
  skip_early_cond: number(0, 0, 1),
  sigma_min: number(0, 0, 1e6),
  sigma_max: number(0, 0, 1e6),
  rho: number(0, 0, 1e6),
  beta_dist_alpha: number(0.6, 0, 10),
  beta_dist_beta: number(0.6, 0, 10),
  always_discard_next_to_last_sigma: flag(false),
  sgm_noise_multiplier: flag(false),
  img2img_extra_noise: number(0, 0, 1),
  initial_noise_multiplier: number(1, 0, 1.5),
  img2img_fix_steps: flag(false),
  img2img_color_correction: flag(false),
  inpainting_mask_weight: number(1, 0, 1),
  hires_fix_refiner_pass: text('second pass'),
  samples_format: text('png'),
  jpeg_quality: whole(80, 1, 100),
  return_grid: flag(true),
  live_previews_enable: flag(true),
  show_progress_every_n_steps: whole(10, -1, 150),
  /** Switches of the model, see `lib/options`. */
  no_half_vae: flag(false),
  persistent_cond_cache: flag(true),
  /** Known names that have no effect here; clients of Forge set them with every Flux job. */
  forge_preset: text('all'),
  forge_unet_storage_dtype: text('Automatic'),
  face_restoration: flag(false),
} as const satisfies Fields;

export type OptionValues = Values<typeof OPTIONS>;

/** Texts that have few values; compared without regard to case. */
const CHOICES: Readonly<Partial<Record<keyof typeof OPTIONS, readonly string[]>>> = {
  randn_source: ['GPU', 'NV', 'CPU'],
  emphasis: EMPHASIS_MODES,
  samples_format: ['png', 'jpg', 'jpeg', 'webp'],
  hires_fix_refiner_pass: ['first pass', 'second pass', 'both passes'],
};

/** Values of names without an effect at which nothing is lost. */
const WITHOUT_EFFECT: Readonly<Partial<Record<keyof typeof OPTIONS, readonly unknown[]>>> = {
  forge_unet_storage_dtype: ['Automatic'],
  face_restoration: [false],
};

export const DEFAULT_OPTIONS: OptionValues = readFields(OPTIONS, {}).values;

/** What the options say of the model's own switches; defaults say nothing. */
export function modelOptionsOf(options: OptionValues): ModelOptionValues {
  const changed = Object.entries(options).filter(
    ([name, value]) => value !== DEFAULT_OPTIONS[name as keyof OptionValues],
  );
  return optionsFromLegacy(changed, 'forge option').options;
}

/**
 * Some options over others.
 * @returns the whole set, and what was not understood or does nothing
 * @throws HttpError 422 for values of a wrong type or out of range
 */
export function mergeOptions(
  under: OptionValues,
  given: Readonly<Record<string, unknown>> | null,
): { readonly values: OptionValues; readonly warnings: readonly string[] } {
  if (given === null) return { values: under, warnings: [] };
  // Names of old switches that do nothing any more: the table knows why.
  const foreign = Object.entries(objectOf(given)).filter(([name]) => !Object.hasOwn(OPTIONS, name));
  const legacy = optionsFromLegacy(foreign, 'forge option');
  const own = Object.fromEntries(Object.entries(given).filter(([name]) => !legacy.known.has(name)));
  const { values, given: names, warnings } = readFields(OPTIONS, own);
  const merged: Record<string, unknown> = { ...under };
  const told = warnings.map((warning) => `Options: ${warning}`);
  for (const { name, note } of legacy.notes) told.push(`Options: ${name} has no effect here: ${note}.`);
  for (const name of names) {
    if (!Object.hasOwn(OPTIONS, name) || given[name] === null) continue;
    const key = name as keyof typeof OPTIONS;
    const value: unknown = values[key];
    const choices = CHOICES[key];
    const choice = choices?.find((one) => one.toLowerCase() === String(value).toLowerCase());
    if (choices && choice === undefined) {
      told.push(`Options: ${name} must be one of ${choices.join(', ')}; it was left as it is.`);
      continue;
    }
    const neutral = WITHOUT_EFFECT[key];
    if (neutral && !neutral.includes(value)) told.push(`Options: ${name} has no effect here.`);
    merged[name] = choice ?? value;
  }
  return { values: merged as OptionValues, warnings: told };
}
