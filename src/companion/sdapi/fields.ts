/**
 * Tables of the requests' fields with the original's names, order and defaults.
 * Source: Forge `modules/api/models.py`, `modules/processing.py`; limits are this product's.
 */
import { LIMITS } from '../../lib/pipeline/job_settings';
import type { Fields } from './field';

const seed = { kind: 'integer', default: -1, min: -1 } as const;
const side = { kind: 'integer', default: 512, min: 1, max: LIMITS.sidePx.max } as const;
const laterSide = { kind: 'integer', default: 0, min: 0, max: 2 * LIMITS.sidePx.max } as const;
/** -1 and 0 leave it out. */
const oldSide = { kind: 'integer', default: -1, min: -1, max: LIMITS.sidePx.max } as const;
const share = { kind: 'number', min: 0, max: 1 } as const;
const cfg = { kind: 'number', ...LIMITS.cfgScale } as const;
const optionalText = { kind: 'string', default: null } as const;
const optionalNumber = { kind: 'number', default: null } as const;

/** What both kinds of generation have. */
const common = {
  prompt: { kind: 'string', default: '' },
  negative_prompt: { kind: 'string', default: '' },
  styles: { kind: 'string[]', default: null },
  seed,
  subseed: seed,
  subseed_strength: { ...share, default: 0 },
  seed_resize_from_h: oldSide,
  seed_resize_from_w: oldSide,
  sampler_name: optionalText,
  scheduler: optionalText,
  batch_size: { kind: 'integer', default: 1, ...LIMITS.batchSize },
  n_iter: { kind: 'integer', default: 1, min: 1, max: 100 },
  steps: { kind: 'integer', default: 50, ...LIMITS.steps },
  cfg_scale: { ...cfg, default: 7 },
  distilled_cfg_scale: { kind: 'number', default: 3.5, min: 0, max: 100 },
  width: side,
  height: side,
  restore_faces: { kind: 'boolean', default: null },
  tiling: { kind: 'boolean', default: null },
  do_not_save_samples: { kind: 'boolean', default: false },
  do_not_save_grid: { kind: 'boolean', default: false },
  eta: optionalNumber,
  denoising_strength: { ...share, default: 0.75 },
  s_min_uncond: optionalNumber,
  s_churn: optionalNumber,
  s_tmax: optionalNumber,
  s_tmin: optionalNumber,
  s_noise: optionalNumber,
  override_settings: { kind: 'object', default: null },
  override_settings_restore_afterwards: { kind: 'boolean', default: true },
  refiner_checkpoint: optionalText,
  refiner_switch_at: { kind: 'number', default: null, min: 0, max: 1 },
  disable_extra_networks: { kind: 'boolean', default: false },
  firstpass_image: { kind: 'image', default: null },
  comments: { kind: 'object', default: null },
} as const satisfies Fields;

const calling = {
  sampler_index: { kind: 'string', default: 'Euler' },
  script_name: optionalText,
  script_args: { kind: 'array', default: [] },
  send_images: { kind: 'boolean', default: true },
  save_images: { kind: 'boolean', default: false },
  alwayson_scripts: { kind: 'object', default: {} },
  infotext: optionalText,
} as const satisfies Fields;

export const TXT2IMG_FIELDS = {
  ...common,
  enable_hr: { kind: 'boolean', default: false },
  firstphase_width: laterSide,
  firstphase_height: laterSide,
  hr_scale: { kind: 'number', default: 2, min: 1, max: 8 },
  hr_upscaler: optionalText,
  hr_second_pass_steps: { kind: 'integer', default: 0, min: 0, max: LIMITS.steps.max },
  hr_resize_x: laterSide,
  hr_resize_y: laterSide,
  hr_checkpoint_name: optionalText,
  hr_additional_modules: { kind: 'array', default: null },
  hr_sampler_name: optionalText,
  hr_scheduler: optionalText,
  hr_prompt: { kind: 'string', default: '' },
  hr_negative_prompt: { kind: 'string', default: '' },
  hr_cfg: { ...cfg, default: 1 },
  hr_distilled_cfg: { kind: 'number', default: 3.5, min: 0, max: 100 },
  force_task_id: optionalText,
  ...calling,
} as const satisfies Fields;

export const IMG2IMG_FIELDS = {
  ...common,
  init_images: { kind: 'array', default: null },
  resize_mode: { kind: 'integer', default: 0, min: 0, max: 3 },
  image_cfg_scale: optionalNumber,
  mask: { kind: 'image', default: null },
  mask_blur_x: { kind: 'integer', default: 4, min: 0, max: 64 },
  mask_blur_y: { kind: 'integer', default: 4, min: 0, max: 64 },
  mask_blur: { kind: 'integer', default: null, min: 0, max: 64 },
  mask_round: { kind: 'boolean', default: true },
  inpainting_fill: { kind: 'integer', default: 0, min: 0, max: 3 },
  inpaint_full_res: { kind: 'boolean', default: true },
  inpaint_full_res_padding: { kind: 'integer', default: 0, min: 0, max: 256 },
  inpainting_mask_invert: { kind: 'integer', default: 0, min: 0, max: 1 },
  initial_noise_multiplier: { kind: 'number', default: null, min: 0, max: 1.5 },
  latent_mask: { kind: 'image', default: null },
  force_task_id: optionalText,
  hr_distilled_cfg: { kind: 'number', default: 3.5, min: 0, max: 100 },
  ...calling,
  include_init_images: { kind: 'boolean', default: false },
} as const satisfies Fields;

const extras = {
  resize_mode: { kind: 'integer', default: 0, min: 0, max: 1 },
  show_extras_results: { kind: 'boolean', default: true },
  gfpgan_visibility: { ...share, default: 0 },
  codeformer_visibility: { ...share, default: 0 },
  codeformer_weight: { ...share, default: 0 },
  upscaling_resize: { kind: 'number', default: 2, above: 0, max: 8 },
  upscaling_resize_w: { kind: 'integer', default: 512, min: 1, max: 16_384 },
  upscaling_resize_h: { kind: 'integer', default: 512, min: 1, max: 16_384 },
  upscaling_crop: { kind: 'boolean', default: true },
  upscaler_1: { kind: 'string', default: 'None' },
  upscaler_2: { kind: 'string', default: 'None' },
  extras_upscaler_2_visibility: { ...share, default: 0 },
  upscale_first: { kind: 'boolean', default: false },
} as const satisfies Fields;

export const EXTRA_SINGLE_FIELDS = { ...extras, image: { kind: 'image', default: '' } } as const satisfies Fields;
export const EXTRA_BATCH_FIELDS = { ...extras, imageList: { kind: 'array', default: [] } } as const satisfies Fields;
export const PNG_INFO_FIELDS = { image: { kind: 'image', default: '' } } as const satisfies Fields;
export const INTERROGATE_FIELDS = {
  image: { kind: 'image', default: '' },
  model: { kind: 'string', default: 'clip' },
} as const satisfies Fields;
export const INTERNAL_PROGRESS_FIELDS = {
  id_task: { kind: 'string', default: '' },
  id_live_preview: { kind: 'integer', default: -1 },
  live_preview: { kind: 'boolean', default: true },
} as const satisfies Fields;
