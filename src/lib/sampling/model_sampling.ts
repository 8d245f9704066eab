/**
 * What a sampler and a schedule must know of a model: its trained noise levels, how sigma maps to the model's own time,
 * and how a raw prediction becomes a denoised latent. Float64 throughout; no tensors.
 */
import { AppError } from '../base/errors';

export type Prediction = 'eps' | 'v' | 'edm' | 'flow' | 'x0';
/** `ve`: x = x0 + sigma*noise. `flow`: x = (1-sigma)*x0 + sigma*noise. */
export type Parameterization = 've' | 'flow';

export interface ModelSampling {
  readonly parameterization: Parameterization;
  readonly prediction: Prediction;
  /** Trained noise levels, ascending. */
  readonly sigmas: Float64Array;
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  /** Which Align Your Steps table applies. */
  readonly family: 'sd' | 'sdxl' | 'flow';
  /** Model time of a sigma, fractional: position between trained levels (log sigma), or the flow time. */
  sigmaToT(sigma: number): number;
  /** The time given to the network: nearest trained step (Forge, ComfyUI) or interpolated (A1111). */
  timestep(sigma: number): number;
  /** Inverse of `timestep` with interpolation in log sigma; t is clamped to the trained range. */
  tToSigma(t: number): number;
  /** Sigma after a fraction of the trained range, 0 = pure noise, 1 = clean (ComfyUI's percent). */
  percentToSigma(percent: number): number;
  /** Network input is `inputScale * x`. */
  inputScale(sigma: number): number;
  /** Denoised = `x` coefficient * x + `output` coefficient * raw network output. */
  denoisedCoefficients(sigma: number): { readonly x: number; readonly output: number };
  /** Start latent = `noise` * unit noise + `latent` * clean latent. */
  startCoefficients(sigma: number, unitVariance?: boolean): { readonly noise: number; readonly latent: number };
}

export interface DiscreteModelOptions {
  readonly prediction?: 'eps' | 'v' | 'edm' | 'x0';
  /** scaled_linear (default): betas are squares of a linear ramp of square roots, as in Stable Diffusion. */
  readonly betaSchedule?: 'scaled_linear' | 'linear' | 'cosine';
  readonly betaStart?: number;
  readonly betaEnd?: number;
  readonly trainSteps?: number;
  /** Zero terminal SNR: rescale the noise levels so that the last one is (almost) pure noise. */
  readonly zeroTerminalSnr?: boolean;
  /** `nearest` as Forge and ComfyUI, `interpolate` as A1111 and k-diffusion. */
  readonly timestepRule?: 'nearest' | 'interpolate';
  readonly family?: 'sd' | 'sdxl';
  /** Only for edm. */
  readonly sigmaData?: number;
  /** Cumulative alphas to use instead of betas (ascending time, descending value). */
  readonly alphasCumprod?: ArrayLike<number>;
}

/**
 * Cumulative alphas of a discrete model, float64, index = trained step.
 * Source: Ho et al. 2020; betas as in latent diffusion (square-root ramp).
 * @throws AppError 'argument/invalid' for betas outside 0..1
 */
export function alphasCumprod(options: DiscreteModelOptions = {}): Float64Array {
  if (options.alphasCumprod !== undefined) return Float64Array.from(options.alphasCumprod);
  const { betaSchedule = 'scaled_linear', betaStart = 0.00085, betaEnd = 0.012, trainSteps = 1000 } = options;
  if (!(betaStart > 0 && betaEnd >= betaStart && betaEnd < 1 && Number.isInteger(trainSteps) && trainSteps > 1)) {
    throw new AppError(
      'argument/invalid',
      `discrete model: betas must satisfy 0 < start <= end < 1 over at least 2 steps, got ${betaStart}..${betaEnd} over ${trainSteps}.`,
    );
  }
  const result = new Float64Array(trainSteps);
  const cosine = (t: number): number => Math.cos(((t + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  let product = 1;
  for (let i = 0; i < trainSteps; i++) {
    const f = i / (trainSteps - 1);
    const beta =
      betaSchedule === 'linear'
        ? betaStart + f * (betaEnd - betaStart)
        : betaSchedule === 'scaled_linear'
          ? (Math.sqrt(betaStart) + f * (Math.sqrt(betaEnd) - Math.sqrt(betaStart))) ** 2
          : Math.min(1 - cosine((i + 1) / trainSteps) / cosine(i / trainSteps), 0.999);
    product *= 1 - beta;
    result[i] = product;
  }
  return result;
}

/** Value the web UIs put in place of the zero that zero terminal SNR asks for (sigma about 4518). */
const ZTSNR_LAST_ALPHA = 4.8973451890853435e-8;

/** Shifts and scales sqrt(alphas) so that the last is zero, then replaces that zero. Source: Lin et al. 2023, algorithm 1. */
export function rescaleZeroTerminalSnr(alphas: Float64Array, last = ZTSNR_LAST_ALPHA): Float64Array {
  const first = Math.sqrt(alphas[0] ?? 1);
  const end = Math.sqrt(alphas[alphas.length - 1] ?? 0);
  const result = alphas.map((a) => (((Math.sqrt(a) - end) * first) / (first - end)) ** 2);
  result[result.length - 1] = last;
  return result;
}

/** A model trained on discrete noise levels: Stable Diffusion 1.x, 2.x, SDXL and kin. */
export function discreteModel(options: DiscreteModelOptions = {}): ModelSampling {
  const base = alphasCumprod(options);
  const alphas = options.zeroTerminalSnr ? rescaleZeroTerminalSnr(base) : base;
  const sigmas = alphas.map((a) => Math.sqrt((1 - a) / a));
  const logs = sigmas.map(Math.log);
  const last = sigmas.length - 1;
  const { prediction = 'eps', timestepRule = 'nearest', sigmaData = 0.5 } = options;
  const sigmaToT = (sigma: number): number => fractionalIndex(logs, Math.log(sigma));
  const timestep = (sigma: number): number => {
    const t = sigmaToT(sigma);
    if (timestepRule === 'interpolate') return t;
    const low = Math.floor(t);
    const high = Math.min(low + 1, last);
    const log = Math.log(sigma);
    return Math.abs(log - at(logs, low)) <= Math.abs(log - at(logs, high)) ? low : high;
  };
  const tToSigma = (t: number): number => {
    const clamped = Math.min(Math.max(t, 0), last);
    const low = Math.floor(clamped);
    const w = clamped - low;
    return Math.exp((1 - w) * at(logs, low) + w * at(logs, Math.min(low + 1, last)));
  };
  return {
    parameterization: 've',
    prediction,
    sigmas,
    sigmaMin: at(sigmas, 0),
    sigmaMax: at(sigmas, last),
    family: options.family ?? 'sd',
    sigmaToT,
    timestep,
    tToSigma,
    percentToSigma: (p) => (p <= 0 ? 999999999.9 : p >= 1 ? 0 : tToSigma((1 - p) * (sigmas.length - 1))),
    inputScale: (sigma) => 1 / Math.sqrt(sigma * sigma + (prediction === 'edm' ? sigmaData * sigmaData : 1)),
    denoisedCoefficients: (sigma) => veCoefficients(prediction, sigma, sigmaData),
    startCoefficients: (sigma, unitVariance = false) => ({
      noise: unitVariance ? Math.sqrt(1 + sigma * sigma) : sigma,
      latent: 1,
    }),
  };
}

function veCoefficients(prediction: Prediction, sigma: number, sigmaData: number): { x: number; output: number } {
  const s2 = sigma * sigma;
  switch (prediction) {
    case 'eps':
      return { x: 1, output: -sigma };
    case 'v':
      return { x: 1 / (s2 + 1), output: -sigma / Math.sqrt(s2 + 1) };
    case 'edm': {
      const d2 = sigmaData * sigmaData;
      return { x: d2 / (s2 + d2), output: (sigma * sigmaData) / Math.sqrt(s2 + d2) };
    }
    case 'x0':
      return { x: 0, output: 1 };
    case 'flow':
      return { x: 1, output: -sigma };
  }
  prediction satisfies never;
}

export interface FlowModelOptions {
  /** `linear`: s*t/(1+(s-1)*t). `exponential`: e^mu/(e^mu + 1/t - 1), the same curve with s = e^mu. */
  readonly shift?:
    { readonly kind: 'linear'; readonly shift: number } | { readonly kind: 'exponential'; readonly mu: number };
  /** Trained levels: 1000 for SD3, 10000 pseudo levels for Flux. */
  readonly levels?: number;
  /** Network time = sigma * multiplier (1000 for SD3; Flux networks take sigma itself). */
  readonly multiplier?: number;
  /** Forge's Flux rule: time is sigma itself, so Normal and SGM Uniform ignore the shift. */
  readonly identityTime?: boolean;
}

/**
 * A rectified-flow model: SD3, Flux, Z-Image, Lumina and kin.
 * @throws AppError 'argument/invalid' for a shift that is not positive
 */
export function flowModel(options: FlowModelOptions = {}): ModelSampling {
  const { levels = 1000, multiplier = 1000, identityTime = false } = options;
  const rule = options.shift ?? { kind: 'linear', shift: 1 };
  const shift = rule.kind === 'linear' ? rule.shift : Math.exp(rule.mu);
  if (!(shift > 0 && Number.isFinite(shift) && Number.isInteger(levels) && levels > 1)) {
    throw new AppError('argument/invalid', `flow model: shift must be a positive number, got ${shift}.`);
  }
  const shifted = (t: number): number => shiftFlow(t, shift);
  const sigmas = Float64Array.from({ length: levels }, (_, i) => shifted((i + 1) / levels));
  return {
    parameterization: 'flow',
    prediction: 'flow',
    sigmas,
    sigmaMin: at(sigmas, 0),
    sigmaMax: at(sigmas, levels - 1),
    family: 'flow',
    sigmaToT: (sigma) => sigma * (identityTime ? 1 : multiplier),
    timestep: (sigma) => sigma * multiplier,
    tToSigma: (t) => (identityTime ? t : shifted(t / multiplier)),
    percentToSigma: (p) => (p <= 0 ? 1 : p >= 1 ? 0 : shifted(1 - p)),
    inputScale: () => 1,
    denoisedCoefficients: (sigma) => ({ x: 1, output: -sigma }),
    startCoefficients: (sigma) => ({ noise: sigma, latent: 1 - sigma }),
  };
}

/** Flow time shift: s*t / (1 + (s-1)*t), t and result in 0..1. Source: Esser et al. 2024, section 5.3.2. */
export function shiftFlow(t: number, shift: number): number {
  return (shift * t) / (1 + (shift - 1) * t);
}

export interface FluxMuOptions {
  readonly baseTokens?: number;
  readonly maxTokens?: number;
  readonly baseMu?: number;
  readonly maxMu?: number;
}

/** Flux's shift exponent from the number of image tokens (width/16 * height/16); linear, not clamped. Source: diffusers calculate_shift. */
export function fluxMu(tokens: number, options: FluxMuOptions = {}): number {
  const { baseTokens = 256, maxTokens = 4096, baseMu = 0.5, maxMu = 1.15 } = options;
  const slope = (maxMu - baseMu) / (maxTokens - baseTokens);
  return tokens * slope + (baseMu - slope * baseTokens);
}

/** Position of a value in an ascending list, fractional between entries, clamped to the ends. */
function fractionalIndex(ascending: Float64Array, value: number): number {
  const last = ascending.length - 1;
  if (!(value > at(ascending, 0))) return 0;
  if (value >= at(ascending, last)) return last;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(ascending, middle) <= value) low = middle;
    else high = middle;
  }
  return low + (value - at(ascending, low)) / (at(ascending, high) - at(ascending, low));
}

function at(list: Float64Array, i: number): number {
  return list[i] as number;
}
