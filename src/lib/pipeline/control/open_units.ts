/** The control units of a request: checked, opened, and matched with the model before anything is computed. */
import { AppError } from '../../base/errors';
import type { ControlRequest } from '../../rpc/engine';
import type { LoadedModel } from '../loaded_model';
import { assertPixels } from '../pixels';
import { assertFits, type LoadControl } from './control_model';
import type { ControlUnit } from './control_set';

/**
 * Units that have an effect; a weight of 0 is left out.
 * @throws AppError 'argument/invalid' for numbers out of range, 'image/invalid', 'model/missing-part' for files the host
 * does not have, 'model/unsupported' for files of another family
 */
export async function openUnits(
  model: LoadedModel,
  requests: readonly ControlRequest[],
  load: LoadControl | undefined,
): Promise<ControlUnit[]> {
  const units: ControlUnit[] = [];
  for (const [i, request] of requests.entries()) {
    checkUnit(i, request);
    if (request.weight === 0) continue;
    const control = await load?.(request.modelId);
    if (!control) {
      throw new AppError(
        'model/missing-part',
        `control unit ${i + 1}: no control file "${request.modelId}" is here; add it to the models or choose another.`,
        { details: { unit: i, modelId: request.modelId } },
      );
    }
    assertFits(control, model);
    units.push({ control, request });
  }
  return units;
}

function checkUnit(index: number, { weight, start, end, image }: ControlRequest): void {
  const range = (name: string, value: number, max: number) => {
    if (value >= 0 && value <= max) return;
    throw new AppError('argument/invalid', `control unit ${index + 1}: ${name} must be in 0..${max}, got ${value}.`, {
      details: { unit: index, field: name, got: value },
    });
  };
  range('weight', weight, 2);
  range('start', start, 1);
  range('end', end, 1);
  if (start > end) {
    throw new AppError(
      'argument/invalid',
      `control unit ${index + 1}: it must start before it ends, got ${start} and ${end}.`,
      { details: { unit: index, start, end } },
    );
  }
  assertPixels(image);
}
