/** The second model of a run: opened by the host, refused where it cannot take over. */
import { AppError } from '../base/errors';
import type { LoadedModel } from './loaded_model';

/**
 * @throws AppError 'model/unsupported' for another latent space, another kind of noise or another backend;
 * 'model/missing-part' when the host opens no second models
 */
export async function openRefiner(
  model: LoadedModel,
  modelId: string,
  load: ((id: string) => Promise<LoadedModel>) | undefined,
): Promise<LoadedModel> {
  if (!load) {
    throw new AppError('model/missing-part', `refiner: no second model can be opened here, got "${modelId}".`);
  }
  const refiner = await load(modelId);
  const [a, b] = [model.detected, refiner.detected];
  const kind = (flow: boolean): string => (flow ? 'rectified flow' : 'noise prediction');
  const reasons = [
    a.latent.channels !== b.latent.channels && `${b.latent.channels} latent channels instead of ${a.latent.channels}`,
    a.latent.stride !== b.latent.stride && `${b.latent.stride} pixels per latent instead of ${a.latent.stride}`,
    Math.abs(a.latent.scale - b.latent.scale) > 1e-6 &&
      `latents scaled by ${b.latent.scale} instead of ${a.latent.scale}`,
    (a.prediction.kind === 'flow') !== (b.prediction.kind === 'flow') &&
      `${kind(b.prediction.kind === 'flow')} instead of ${kind(a.prediction.kind === 'flow')}`,
    model.backend !== refiner.backend && 'another backend',
  ].filter((reason) => reason !== false);
  if (reasons.length > 0) {
    throw new AppError(
      'model/unsupported',
      `refiner: must share the latent space of ${model.name}, got ${refiner.name} with ${reasons.join(', ')}; choose a model of the same family.`,
      { details: { model: model.name, refiner: refiner.name, reasons } },
    );
  }
  return refiner;
}
