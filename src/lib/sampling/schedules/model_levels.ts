/** Schedules that walk the model's trained noise levels. */
import { betaPpf } from '../beta_ppf';
import { roundEven } from '../math';
import { defineSchedule, linspace } from '../schedule';

/** The model's own list: what "Automatic" means for samplers without a preference. */
export const uniform = defineSchedule(
  {
    id: 'uniform',
    label: 'Uniform',
    aliases: [],
    sdcpp: ['discrete'],
    needsModel: true,
    webui: true,
    source: 'k-diffusion DiscreteSchedule.get_sigmas: trained steps T-1..0, evenly spaced',
  },
  (n, model) => {
    // Flow time runs to 1 (or the multiplier); trained indices would pass far beyond it.
    const last =
      model.parameterization === 'flow' ? model.sigmaToT(1) * (1 - 1 / model.sigmas.length) : model.sigmas.length - 1;
    return [...linspace(last, 0, n).map((t) => model.tToSigma(t)), 0];
  },
);

export const normal = defineSchedule(
  {
    id: 'normal',
    label: 'Normal',
    aliases: [],
    comfyui: ['normal'],
    needsModel: true,
    webui: true,
    source: 'even steps in model time from sigma_max to sigma_min',
  },
  (n, model, { sigmaMin, sigmaMax }) => [
    ...linspace(model.timestep(sigmaMax), model.timestep(sigmaMin), n).map((t) => model.tToSigma(t)),
    0,
  ],
);

export const sgmUniform = defineSchedule(
  {
    id: 'sgm_uniform',
    label: 'SGM Uniform',
    aliases: ['SGMUniform'],
    comfyui: ['sgm_uniform'],
    sdcpp: ['sgm_uniform'],
    needsModel: true,
    webui: true,
    source: 'Stability generative-models: even steps in model time without the last one',
  },
  (n, model, { sigmaMin, sigmaMax }) => [
    ...linspace(model.timestep(sigmaMax), model.timestep(sigmaMin), n + 1)
      .slice(0, -1)
      .map((t) => model.tToSigma(t)),
    0,
  ],
);

export const simple = defineSchedule(
  {
    id: 'simple',
    label: 'Simple',
    aliases: [],
    comfyui: ['simple'],
    sdcpp: ['simple'],
    needsModel: true,
    webui: true,
    source: 'every (T/n)-th trained level from the top',
  },
  (n, model) => {
    const levels = model.sigmas;
    const stride = levels.length / n;
    return [...Array.from({ length: n }, (_, i) => levels[levels.length - 1 - Math.floor(i * stride)] as number), 0];
  },
);

/** May return more than n levels when n does not divide the number of trained steps, as upstream. */
export const ddim = defineSchedule(
  {
    id: 'ddim',
    label: 'DDIM',
    aliases: [],
    comfyui: ['ddim_uniform'],
    needsModel: true,
    webui: true,
    source: 'Song et al. 2020: trained steps 1, 1+stride, ... with stride = T/n rounded down',
  },
  (n, model) => {
    const stride = Math.max(Math.floor(model.sigmas.length / n), 1);
    const levels: number[] = [];
    for (let i = 1; i < model.sigmas.length; i += stride) levels.push(model.sigmas[i] as number);
    return [...levels.reverse(), 0];
  },
);

/** SDXL Turbo's levels: t = 1000k/n - 1 for k = n..1. */
export const turbo = defineSchedule(
  {
    id: 'turbo',
    label: 'Turbo',
    aliases: [],
    needsModel: true,
    webui: true,
    source: 'Sauer et al. 2023, adversarial diffusion distillation: n even timesteps ending at the first stride',
  },
  (n, model) => {
    const total = model.sigmas.length;
    const t = Array.from({ length: n }, (_, i) =>
      Math.min(Math.max(roundEven(((n - i) * total) / n - 1), 0), total - 1),
    );
    const toSigma = (index: number): number =>
      model.parameterization === 'flow' ? (model.sigmas[index] as number) : model.tToSigma(index);
    return [...t.map(toSigma), 0];
  },
);

/** Quantiles between timesteps; repeated timesteps are dropped, so the list may be shorter than n + 1. */
export const betaComfy = defineSchedule(
  {
    id: 'beta_comfy',
    label: 'Beta (ComfyUI)',
    aliases: [],
    comfyui: ['beta'],
    needsModel: true,
    source: 'Lee et al. 2024, Beta Sampling is All You Need; ComfyUI form in timesteps',
  },
  (n, model, _range, { betaAlpha = 0.6, betaBeta = 0.6 }) => {
    const last = model.sigmas.length - 1;
    const indices = Array.from({ length: n }, (_, i) => roundEven(betaPpf(1 - i / n, betaAlpha, betaBeta) * last));
    return [...indices.filter((t, i) => t !== indices[i - 1]).map((t) => model.sigmas[t] as number), 0];
  },
);

/** Linear up to a threshold over the first half, then quadratic. */
export const linearQuadratic = defineSchedule(
  {
    id: 'linear_quadratic',
    label: 'Linear Quadratic',
    aliases: [],
    comfyui: ['linear_quadratic'],
    needsModel: true,
    source: 'Genmo Mochi 1: threshold 0.025, first half linear',
  },
  (n, model) => {
    if (n === 1) return [model.sigmaMax, 0];
    const threshold = 0.025;
    const linear = Math.floor(n / 2);
    const quadratic = n - linear;
    const difference = linear - threshold * n;
    const a = difference / (linear * quadratic ** 2);
    const b = threshold / linear - (2 * difference) / quadratic ** 2;
    const c = a * linear ** 2;
    const noised = Array.from({ length: n }, (_, i) => (i < linear ? (i * threshold) / linear : a * i * i + b * i + c));
    return [...noised.map((v) => (1 - v) * model.sigmaMax), 0];
  },
);
