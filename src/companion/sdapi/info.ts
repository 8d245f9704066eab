/** The `info` of an answer: what was drawn, picture by picture, and what was not as asked. */
import { parseInfotext } from '../../lib/infotext/grammar';
import type { CatalogueFile } from '../engine/catalogue';
import { timestamp } from '../engine/running_job';
import type { Made } from './generation';
import { isImg2img, type Prepared } from './to_request';

/** Keys of an infotext that `info` has as fields of its own. */
const OWN_KEYS = new Set([
  'Steps',
  'Sampler',
  'Schedule type',
  'CFG scale',
  'Seed',
  'Size',
  'Model hash',
  'Model',
  'Variation seed',
  'Variation seed strength',
  'Denoising strength',
  'Clip skip',
  'RNG',
  'Version',
]);

export function infoOf(
  prepared: Prepared,
  { images, grid, model }: Made,
  facts: { readonly warnings: readonly string[]; readonly vae: CatalogueFile | undefined; readonly version: string },
): Readonly<Record<string, unknown>> {
  const { values, prompt, negativePrompt, seed, subseed, options } = prepared;
  const texts = images.map(({ infotext }) => infotext);
  const first = parseInfotext(texts[0] ?? '');
  const pairs = new Map(first.pairs);
  const [width, height] = (pairs.get('Size') ?? '').split('x').map(Number);
  const masked = isImg2img(values) && prepared.mask !== undefined;
  return {
    prompt,
    all_prompts: images.map(() => prompt),
    negative_prompt: negativePrompt,
    all_negative_prompts: images.map(() => negativePrompt),
    seed,
    all_seeds: images.map((image) => image.seed),
    subseed,
    all_subseeds: images.map((_, i) => subseed + i),
    subseed_strength: values.subseed_strength,
    width: width || values.width,
    height: height || values.height,
    sampler_name: pairs.get('Sampler') ?? values.sampler_name ?? values.sampler_index,
    cfg_scale: values.cfg_scale,
    steps: values.steps,
    batch_size: values.batch_size,
    restore_faces: false,
    face_restoration_model: null,
    sd_model_name: model.name,
    sd_model_hash: model.hash === '' ? null : model.hash,
    sd_vae_name: facts.vae?.file ?? null,
    sd_vae_hash: facts.vae?.sha256?.slice(0, 10) ?? null,
    seed_resize_from_w: values.seed_resize_from_w,
    seed_resize_from_h: values.seed_resize_from_h,
    denoising_strength: values.denoising_strength,
    extra_generation_params: Object.fromEntries([...pairs].filter(([key]) => !OWN_KEYS.has(key))),
    index_of_first_image: grid ? 1 : 0,
    infotexts: [...(grid ? [grid.infotext] : []), ...texts],
    styles: prepared.styles,
    job_timestamp: timestamp(new Date()),
    clip_skip: options.CLIP_stop_at_last_layers,
    is_using_inpainting_conditioning: masked && model.controls.inpaintModel,
    version: facts.version,
    // Not in the original, which drops such things without a word.
    warnings: facts.warnings,
  };
}
