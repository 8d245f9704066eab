/** The request field `infotext`: parameters of a picture as values of fields that the request leaves open. */
import { readParameters } from '../../lib/infotext/parameter_fields';
import type { GenerationParameters } from '../../lib/infotext/parameters';

type Body = Readonly<Record<string, unknown>>;

const FROM_TEXT: readonly (readonly [field: string, value: (p: GenerationParameters) => unknown])[] = [
  ['prompt', (p) => p.prompt],
  ['negative_prompt', (p) => p.negative],
  ['steps', (p) => p.steps],
  ['sampler_name', (p) => p.sampler],
  ['scheduler', (p) => p.schedule],
  ['cfg_scale', (p) => p.cfgScale],
  ['distilled_cfg_scale', (p) => p.distilledCfgScale],
  ['image_cfg_scale', (p) => p.imageCfgScale],
  ['seed', (p) => p.seed],
  ['subseed', (p) => p.variationSeed],
  ['subseed_strength', (p) => p.variationStrength],
  ['seed_resize_from_w', (p) => p.seedResizeWidthPx],
  ['seed_resize_from_h', (p) => p.seedResizeHeightPx],
  ['width', (p) => p.widthPx],
  ['height', (p) => p.heightPx],
  ['denoising_strength', (p) => p.denoisingStrength],
  ['tiling', (p) => p.tiling],
  ['eta', (p) => p.eta],
  ['s_churn', (p) => p.sigmaChurn],
  ['s_tmin', (p) => p.sigmaTmin],
  ['s_tmax', (p) => p.sigmaTmax],
  ['s_noise', (p) => p.sigmaNoise],
  ['refiner_checkpoint', (p) => p.refiner?.checkpoint],
  ['refiner_switch_at', (p) => p.refiner?.switchAt],
  ['enable_hr', (p) => (p.hires?.upscaler === undefined ? undefined : true)],
  ['hr_upscaler', (p) => p.hires?.upscaler],
  ['hr_scale', (p) => p.hires?.upscale],
  ['hr_resize_x', (p) => p.hires?.widthPx],
  ['hr_resize_y', (p) => p.hires?.heightPx],
  ['hr_second_pass_steps', (p) => p.hires?.steps],
  ['hr_sampler_name', (p) => p.hires?.sampler],
  ['hr_scheduler', (p) => p.hires?.schedule],
  ['hr_prompt', (p) => p.hires?.prompt],
  ['hr_negative_prompt', (p) => p.hires?.negative],
  ['hr_cfg', (p) => p.hires?.cfgScale],
];

/** Options that a text holds; the request's own `override_settings` win. */
const OPTIONS_FROM_TEXT: readonly (readonly [option: string, value: (p: GenerationParameters) => unknown])[] = [
  ['sd_model_checkpoint', (p) => p.model ?? p.modelHash],
  ['CLIP_stop_at_last_layers', (p) => p.clipSkip],
  ['eta_noise_seed_delta', (p) => p.etaNoiseSeedDelta],
  ['randn_source', (p) => p.rng],
  ['emphasis', (p) => p.emphasis],
];

const defined = (entries: readonly (readonly [string, unknown])[]): Record<string, unknown> =>
  Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null));

/** The body with what its `infotext` adds; only names in `known` are added. */
export function fillFromInfotext(body: unknown, known: readonly string[]): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const given = body as Body;
  if (typeof given['infotext'] !== 'string' || given['infotext'] === '') return body;
  const parameters = readParameters(given['infotext']);
  const fields = FROM_TEXT.filter(([name]) => known.includes(name)).map(
    ([name, value]) => [name, value(parameters)] as const,
  );
  const options = defined(OPTIONS_FROM_TEXT.map(([name, value]) => [name, value(parameters)] as const));
  const own = (given['override_settings'] ?? {}) as Body;
  return {
    ...defined(fields),
    ...defined(Object.entries(given)),
    override_settings: { ...options, ...own },
  };
}
