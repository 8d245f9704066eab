import { describe, expect, it } from 'vitest';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import { detectModel } from '../../../src/lib/models/assemble';
import type { DetectedModel } from '../../../src/lib/models/family';
import { settlePrediction } from '../../../src/lib/models/prediction_probe';
import { SD15, SD21, unetFile } from './published';

const TELLTALE = 'up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias';

/** A model whose telling bias swings by `deviation`. */
function withBias(model: DetectedModel, deviation: number): DetectedModel {
  const data = Float32Array.from({ length: 320 }, (_, i) => (i % 2 === 0 ? deviation : -deviation));
  const weights = new Map(model.denoiser.weights).set(TELLTALE, memoryWeight(TELLTALE, [320], data));
  return { ...model, denoiser: { ...model.denoiser, weights } };
}

describe('prediction of SD2 files', () => {
  const sd2 = detectModel(unetFile(SD21, 'original', 'model.diffusion_model.'));

  it('is velocity when the telling bias swings widely, noise when it does not', async () => {
    expect((await settlePrediction(withBias(sd2, 0.2))).prediction).toMatchObject({ kind: 'v' });
    const noise = await settlePrediction(withBias(sd2, 0.02));
    expect(noise.prediction).toMatchObject({ kind: 'eps' });
    expect(noise.defaults).toMatchObject({ widthPx: 512, heightPx: 512 });
  });

  it('is left alone when the file says it, and for other families', async () => {
    const declared = detectModel({
      ...unetFile(SD21, 'original', 'model.diffusion_model.'),
      metadata: new Map([['modelspec.prediction_type', 'v']]),
    });
    expect(await settlePrediction(withBias(declared, 0.02))).toMatchObject({ prediction: { kind: 'v' } });
    const sd1 = detectModel(unetFile(SD15, 'original', 'model.diffusion_model.'));
    expect(await settlePrediction(sd1)).toBe(sd1);
  });
});
