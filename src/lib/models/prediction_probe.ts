/** SD2 files do not say whether they predict noise or velocity; one bias of the last block gives it away. */
import { dequantizeTensor } from '../quant/dequantize';
import type { DetectedModel } from './family';

/** `output_blocks.11.1.transformer_blocks.0.norm1.bias` of the original layout. */
const TELLTALE = 'up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias';

/** Deviation above which published velocity models lie. Observation of ComfyUI's authors, used as a number only. */
const VELOCITY_DEVIATION = 0.09;

/**
 * The model with its prediction kind settled. Reads one small tensor, and only for SD2 models whose files declare
 * nothing; all others come back as they are.
 */
export async function settlePrediction(model: DetectedModel, signal?: AbortSignal): Promise<DetectedModel> {
  const { prediction, family, denoiser } = model;
  const stored = denoiser.weights.get(TELLTALE);
  if (family.id !== 'sd2' || prediction.kind === 'flow' || model.predictionDeclared || !stored) return model;
  const values = await dequantizeTensor(stored.tensor, signal ? { signal } : {});
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const kind = Math.sqrt(variance) > VELOCITY_DEVIATION ? 'v' : 'eps';
  const size = kind === 'eps' ? { widthPx: 512, heightPx: 512 } : {};
  return { ...model, prediction: { ...prediction, kind }, defaults: { ...model.defaults, ...size } };
}
