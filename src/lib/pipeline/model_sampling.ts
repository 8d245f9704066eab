/** From what a family says of its noise to the object that samplers and schedules compute with. */
import type { DetectedModel, FlowShift } from '../models/family';
import type { ModelOptionValues } from '../options/model_options';
import { discreteModel, flowModel, fluxMu, type ModelSampling } from '../sampling/model_sampling';

export interface SamplingRequest {
  /** Picture tokens: latent cells, for shifts that depend on the size. */
  readonly tokens: number;
  readonly steps: number;
  readonly timestepRule: 'nearest' | 'interpolate';
  /** `shiftRule` and `shift` replace the family's rule. */
  readonly options?: ModelOptionValues | undefined;
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
  const shift = chosenShift(prediction.shift, request.options);
  // The network takes sigma itself; multiples of 1000 are inside the families' graphs.
  const multiplier = 1;
  switch (shift.kind) {
    case 'none':
      return flowModel({ multiplier });
    case 'linear':
      return flowModel({ multiplier, shift: { kind: 'linear', shift: shift.shift } });
    case 'mu':
      return flowModel({ multiplier, shift: { kind: 'exponential', mu: shift.mu } });
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

type ChosenShift = FlowShift | { readonly kind: 'mu'; readonly mu: number };

/** The rule that the request asks for; a bare `shift` keeps the family's kind of rule and replaces its number. */
function chosenShift(own: FlowShift, { shiftRule = 'model', shift }: ModelOptionValues = {}): ChosenShift {
  switch (shiftRule) {
    case 'none':
      return { kind: 'none' };
    case 'linear':
      return { kind: 'linear', shift: shift ?? (own.kind === 'linear' ? own.shift : 3) };
    case 'exponential':
      if (shift !== undefined) return { kind: 'mu', mu: shift };
      return own.kind === 'exponential' || own.kind === 'flux2' ? own : FLUX_SHIFT;
    case 'model':
      if (shift === undefined) return own;
      // e^mu is the same as a linear shift, so that one number serves families without a rule of their own, too.
      return own.kind === 'exponential' || own.kind === 'flux2' ? { kind: 'mu', mu: shift } : { kind: 'linear', shift };
  }
}

/** FLUX.1 dev's rule. Source: its scheduler configuration. */
const FLUX_SHIFT = { kind: 'exponential', baseTokens: 256, baseMu: 0.5, maxTokens: 4096, maxMu: 1.15 } as const;

/**
 * FLUX.2's shift exponent from picture tokens and steps.
 * Source: diffusers pipelines/flux2, `compute_empirical_mu`.
 */
function flux2Mu(tokens: number, steps: number): number {
  const high = 1.6927e-4 * tokens + 0.45666666;
  if (tokens > 4300) return high;
  const low = 8.73809524e-5 * tokens + 1.89833333;
  const slope = (high - low) / 190;
  return slope * steps + (high - 200 * slope);
}
