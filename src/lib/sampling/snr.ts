/** Signal share and half log signal-to-noise ratio, the time in which exponential integrators work, for both parameterizations. */
import type { ModelSampling } from './model_sampling';

/** x = alpha * x0 + sigma * noise: 1 for eps/v models, 1 - sigma for flow models. */
export function alphaOf(model: ModelSampling, sigma: number): number {
  return model.parameterization === 'flow' ? 1 - sigma : 1;
}

/** lambda = ln(alpha / sigma); infinite at sigma 0, minus infinite at flow sigma 1. */
export function lambdaOf(model: ModelSampling, sigma: number): number {
  return Math.log(alphaOf(model, sigma)) - Math.log(sigma);
}

/** Inverse of `lambdaOf`. */
export function sigmaOfLambda(model: ModelSampling, lambda: number): number {
  return model.parameterization === 'flow' ? 1 / (1 + Math.exp(lambda)) : Math.exp(-lambda);
}

/** A flow run that starts at sigma 1 has no finite lambda there; ComfyUI moves the first sigma to 0.01 percent of the run. */
export function offsetFirstSigma(model: ModelSampling, sigmas: readonly number[]): number[] {
  const moved = [...sigmas];
  if (model.parameterization === 'flow' && (moved[0] ?? 0) >= 1) moved[0] = model.percentToSigma(1e-4);
  return moved;
}
