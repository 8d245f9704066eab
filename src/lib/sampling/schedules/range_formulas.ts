/** Schedules that are a formula of the noise range alone. */
import { betaPpf } from '../beta_ppf';
import { defineSchedule, ramp } from '../schedule';

export const karras = defineSchedule(
  {
    id: 'karras',
    label: 'Karras',
    aliases: [],
    comfyui: ['karras'],
    sdcpp: ['karras'],
    defaultRho: 7,
    webui: true,
    source: 'Karras et al. 2022, equation 5',
  },
  (n, _model, { sigmaMin, sigmaMax }, { rho = 7 }) => karrasSigmas(n, sigmaMin, sigmaMax, rho),
);

/** The Karras list without a model: n levels from sigmaMax to sigmaMin, then 0. */
export function karrasSigmas(n: number, sigmaMin: number, sigmaMax: number, rho: number): number[] {
  const a = sigmaMax ** (1 / rho);
  const b = sigmaMin ** (1 / rho);
  return withZero(n, (i) => (a + ramp(i, n) * (b - a)) ** rho);
}

export const exponential = defineSchedule(
  {
    id: 'exponential',
    label: 'Exponential',
    aliases: [],
    comfyui: ['exponential'],
    sdcpp: ['exponential'],
    webui: true,
    source: 'k-diffusion get_sigmas_exponential: even steps in log sigma',
  },
  (n, _model, { sigmaMin, sigmaMax }) => {
    const span = Math.log(sigmaMin) - Math.log(sigmaMax);
    return withZero(n, (i) => Math.exp(Math.log(sigmaMax) + ramp(i, n) * span));
  },
);

export const polyexponential = defineSchedule(
  {
    id: 'polyexponential',
    label: 'Polyexponential',
    aliases: [],
    defaultRho: 1,
    webui: true,
    source: 'k-diffusion get_sigmas_polyexponential: a power of an even ramp in log sigma',
  },
  (n, _model, { sigmaMin, sigmaMax }, { rho = 1 }) => {
    const span = Math.log(sigmaMax) - Math.log(sigmaMin);
    return withZero(n, (i) => Math.exp((1 - ramp(i, n)) ** rho * span + Math.log(sigmaMin)));
  },
);

/** Ends at sigma_min, nothing appended: a little noise stays, as in the web UIs. */
export const klOptimal = defineSchedule(
  {
    id: 'kl_optimal',
    label: 'KL Optimal',
    aliases: [],
    sdcpp: ['kl_optimal'],
    webui: true,
    source: 'Sabour et al. 2024, Align Your Steps, appendix: arctangent interpolation; web UI form',
  },
  (n, _model, { sigmaMin, sigmaMax }) =>
    Array.from({ length: n + 1 }, (_, i) =>
      Math.tan((i / n) * Math.atan(sigmaMin) + (1 - i / n) * Math.atan(sigmaMax)),
    ),
);

/** ComfyUI's form of the same formula: divides by n - 1 and ends at 0. */
export const klOptimalComfy = defineSchedule(
  {
    id: 'kl_optimal_comfy',
    label: 'KL Optimal (ComfyUI)',
    aliases: [],
    comfyui: ['kl_optimal'],
    source: 'Sabour et al. 2024; ComfyUI form',
  },
  (n, _model, { sigmaMin, sigmaMax }) =>
    withZero(n, (i) => Math.tan(ramp(i, n) * Math.atan(sigmaMin) + (1 - ramp(i, n)) * Math.atan(sigmaMax))),
);

/** Quantiles between sigmas (web UIs); see `beta_comfy` for quantiles between timesteps. */
export const beta = defineSchedule(
  {
    id: 'beta',
    label: 'Beta',
    aliases: [],
    sdcpp: ['beta'],
    webui: true,
    source: 'Lee et al. 2024, Beta Sampling is All You Need; web UI form in sigma',
  },
  (n, _model, { sigmaMin, sigmaMax }, { betaAlpha = 0.6, betaBeta = 0.6 }) =>
    withZero(n, (i) => sigmaMin + betaPpf(1 - ramp(i, n), betaAlpha, betaBeta) * (sigmaMax - sigmaMin)),
);

function withZero(n: number, sigma: (i: number) => number): number[] {
  return [...Array.from({ length: n }, (_, i) => sigma(i)), 0];
}
