/** From what a family says of its noise to the object that samplers and schedules compute with. */
import type { DetectedModel } from '../models/family';
import { discreteModel, flowModel, fluxMu, type ModelSampling } from '../sampling/model_sampling';

export interface SamplingRequest {
  /** Picture tokens: latent cells, for shifts that depend on the size. */
  readonly tokens: number;
  readonly steps: number;
  readonly timestepRule: 'nearest' | 'interpolate';
}

export function modelSampling(model: DetectedModel, request: SamplingRequest): ModelSampling {
  const { prediction } = model;
  if (prediction.kind !== 'flow') {
    return discreteModel({
      prediction: prediction.kind,
      betaSchedule: prediction.betas,
      betaStart: prediction.betaStart,
      betaEnd: prediction.betaEnd,
      trainSteps: prediction.steps,
      zeroTerminalSnr: prediction.zeroTerminalSnr,
      timestepRule: request.timestepRule,
      family: model.family.id === 'sdxl' ? 'sdxl' : 'sd',
    });
  }
  const { shift } = prediction;
  // The network takes sigma itself; multiples of 1000 are inside the families' graphs.
  const multiplier = 1;
  switch (shift.kind) {
    case 'none':
      return flowModel({ multiplier });
    case 'linear':
      return flowModel({ multiplier, shift: { kind: 'linear', shift: shift.shift } });
    case 'exponential': {
      const { baseTokens, baseMu, maxTokens, maxMu } = shift;
      const mu = fluxMu(request.tokens, { baseTokens, baseMu, maxTokens, maxMu });
      return flowModel({ multiplier, shift: { kind: 'exponential', mu } });
    }
    case 'flux2':
      return flowModel({ multiplier, shift: { kind: 'exponential', mu: flux2Mu(request.tokens, request.steps) } });
  }
  shift satisfies never;
}

/**
 * FLUX.2's shift exponent from picture tokens and steps.
 * Source: diffusers pipelines/flux2, `compute_empirical_mu`.
 */
export function flux2Mu(tokens: number, steps: number): number {
  const high = 1.6927e-4 * tokens + 0.45666666;
  if (tokens > 4300) return high;
  const low = 8.73809524e-5 * tokens + 1.89833333;
  const slope = (high - low) / 190;
  return slope * steps + (high - 200 * slope);
}
