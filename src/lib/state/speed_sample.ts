/** A finished picture as a measure of this device's speed. */
import type { SpeedSample } from '../rpc/models';
import type { Result } from './generation.svelte';

/** @param model the open one, which the newest pictures are of */
export function speedSample(results: readonly Result[], model: string | undefined): SpeedSample | undefined {
  const result = results.find(({ interrupted, times }) => !interrupted && times.length > 0);
  const denoiseMs = result?.times.find((time) => time.stage === 'denoise')?.ms ?? 0;
  if (!result || model === undefined || denoiseMs <= 0) return undefined;
  const { widthPx, heightPx, steps, batchSize, batchCount, cfgScale } = result.parameters;
  return { model, widthPx, heightPx, steps, pictures: batchSize * batchCount, guided: cfgScale !== 1, denoiseMs };
}
