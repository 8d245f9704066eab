import type { Parameters } from '../../../src/lib/state/generation.svelte';

/** Parameters of the page as a newcomer has them, with a prompt. */
export const form = (change: Partial<Parameters> = {}): Parameters => ({
  prompt: 'a cat',
  negativePrompt: '',
  steps: 20,
  cfgScale: 7,
  sampler: 'dpmpp_2m',
  schedule: 'automatic',
  seed: -1,
  widthPx: 128,
  heightPx: 128,
  batchSize: 1,
  batchCount: 1,
  clipSkip: 1,
  noiseSource: 'NV',
  ...change,
});
