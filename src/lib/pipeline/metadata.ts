/** What a picture's file says of how it was made, in the grammar that the web UIs write and read. */
import { writeParameters } from '../infotext/parameter_fields';
import { emptyParameters, type GenerationParameters } from '../infotext/parameters';
import { scheduleLabel } from '../sampling/names';
import type { JobSettings } from './job_settings';
import type { LoadedModel } from './loaded_model';

/** The seed of picture `index` of a job: a variation keeps the seed and counts its own up. */
export function seedOf({ request, seed }: JobSettings, index: number): number {
  return (request.variation?.strength ?? 0) > 0 ? seed : seed + index;
}

export function describeImage(
  model: LoadedModel,
  settings: JobSettings,
  index: number,
): { seed: number; infotext: string } {
  const seed = seedOf(settings, index);
  return { seed, infotext: writeParameters(parametersOf(model, settings, index)) };
}

function parametersOf(model: LoadedModel, settings: JobSettings, index: number): GenerationParameters {
  const { request, sampler } = settings;
  const { variation, seedResize, init } = request;
  const eta = settings.samplerOptions['eta'];
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
    ...(request.distilledGuidance === undefined ? {} : { distilledCfgScale: request.distilledGuidance }),
    ...(variation && variation.strength > 0
      ? { variationSeed: variation.seed + index, variationStrength: variation.strength }
      : {}),
    ...(seedResize ? { seedResizeWidthPx: seedResize.widthPx, seedResizeHeightPx: seedResize.heightPx } : {}),
    ...(init ? { denoisingStrength: init.strength } : {}),
    ...(request.clipSkip > 1 ? { clipSkip: request.clipSkip } : {}),
    rng: request.noiseSource,
    ...(request.tiling ? { tiling: true } : {}),
    ...(typeof eta === 'number' ? { eta } : {}),
    ...(request.emphasis && request.emphasis !== 'Original' ? { emphasis: request.emphasis } : {}),
    version: 'Sketchforge 0.1.0',
  };
}
