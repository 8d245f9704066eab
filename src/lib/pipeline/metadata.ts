/** What a picture's file says of how it was made. */
import type { JobSettings } from './job_settings';
import type { LoadedModel } from './loaded_model';

export function describeImage(
  model: LoadedModel,
  settings: JobSettings,
  index: number,
): { seed: number; infotext: string } {
  const { request } = settings;
  const varied = (request.variation?.strength ?? 0) > 0;
  const seed = settings.seed + (varied ? 0 : index);
  const fields: string[] = [
    `Steps: ${request.steps}`,
    `Sampler: ${settings.sampler.label}`,
    `CFG scale: ${request.cfgScale}`,
    `Seed: ${seed}`,
    `Size: ${request.widthPx}x${request.heightPx}`,
    `Model: ${model.name}`,
  ];
  const negative = request.negativePrompt ? `\nNegative prompt: ${request.negativePrompt}` : '';
  return { seed, infotext: `${request.prompt}${negative}\n${fields.join(', ')}` };
}
