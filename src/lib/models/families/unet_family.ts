/** What SD1, SD2 and SDXL share: the noise table and the U-Net. */
import { AppError } from '../../base/errors';
import type { DenoiserSpec, DetectedModel, EncoderOutput, HostArray, Prediction } from '../family';
import type { BuiltGraph, ModelPart, TextEncoderId } from '../part';
import { buildUNet } from '../unet/build';
import type { UNetConfig } from '../unet/config';

/** Noise table of every Stable Diffusion U-Net. Source: CompVis/stable-diffusion `v1-inference.yaml`. */
export function discretePrediction(kind: 'eps' | 'v', zeroTerminalSnr = false): Prediction {
  return { kind, steps: 1000, betaStart: 0.00085, betaEnd: 0.012, betas: 'scaled_linear', zeroTerminalSnr };
}

/** The denoiser part as a U-Net. */
export function unetPart(model: DetectedModel): ModelPart<UNetConfig> {
  if (model.denoiser.architecture === 'unet') return model.denoiser as ModelPart<UNetConfig>;
  throw new AppError(
    'model/unsupported',
    `${model.label}: the denoiser must be a U-Net, got ${model.denoiser.architecture}; choose another file.`,
    { details: { architecture: model.denoiser.architecture } },
  );
}

/** U-Net graph of a model without size numbers. */
export function buildPlainUNet(model: DetectedModel, spec: DenoiserSpec): BuiltGraph {
  return buildUNet(unetPart(model), spec);
}

/** The output of an encoder that the family cannot do without. */
export function needOutput(
  outputs: Readonly<Partial<Record<TextEncoderId, EncoderOutput>>>,
  id: TextEncoderId,
  field: 'hidden' | 'pooled',
  family: string,
): HostArray {
  const found = outputs[id]?.[field];
  if (found) return found;
  throw new AppError(
    'model/missing-part',
    `${family}: the ${field} output of text encoder ${id} is needed; load a file that has this encoder.`,
    { details: { family, encoder: id, field } },
  );
}
