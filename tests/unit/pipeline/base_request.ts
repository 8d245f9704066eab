/** A short job of the default model, as most tests of the pipeline ask for it. */
import type { GenerateRequest } from '../../../src/lib/rpc/engine';

/** Two Euler steps at 64 pixels. */
export const BASE: GenerateRequest = {
  modelId: 'default',
  prompt: 'a red apple',
  negativePrompt: '',
  steps: 2,
  cfgScale: 3,
  sampler: 'Euler',
  schedule: 'Normal',
  seed: 7,
  widthPx: 64,
  heightPx: 64,
  batchSize: 1,
  batchCount: 1,
  clipSkip: 1,
  noiseSource: 'CPU',
  previewEvery: 0,
};

/** A second pass of one step, half as large again. */
export const HIRES: NonNullable<GenerateRequest['hires']> = {
  upscaler: 'Latent',
  scale: 1.5,
  widthPx: 0,
  heightPx: 0,
  steps: 1,
  strength: 0.6,
  sampler: '',
  schedule: '',
  prompt: '',
  negativePrompt: '',
};
