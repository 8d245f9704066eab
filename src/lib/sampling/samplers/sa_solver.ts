import { remember, solveLinear } from '../math';
import type { OptionSchema } from '../options';
import { sNoise } from '../options';
import { defineSampler, sigmaPairs, type SamplerContext, type SamplerMeta } from '../sampler';
import { alphaOf, lambdaOf, offsetFirstSigma } from '../snr';

const whole = { kind: 'number', min: 1, max: 6, integer: true } as const;
const options = {
  sNoise,
  eta: { kind: 'number', default: 1, min: 0, max: 10, about: 'Noise strength inside the middle of the run.' },
  predictorOrder: { ...whole, default: 3, about: 'Estimates the predictor uses.' },
  correctorOrder: { ...whole, default: 4, min: 0, about: 'Estimates the corrector uses; 0 turns it off.' },
} as const satisfies OptionSchema;

const common = {
  aliases: [],
  options,
  order: 3,
  preferredSchedule: 'normal',
  parameterizations: ['ve', 'flow'],
  stochastic: true,
  source: 'Xue et al. 2023, SA-Solver: stochastic Adams method, algorithms 1 and 2',
} as const satisfies Partial<SamplerMeta>;

/** Predict, evaluate, correct. */
export const saSolver = defineSampler(
  { ...common, id: 'sa_solver', label: 'SA-Solver', comfyui: ['sa_solver'], callsPerStep: 1 },
  (ctx, x, sigmas) => run(ctx, x, sigmas, false),
);

/** Predict, evaluate, correct, evaluate again. */
export const saSolverPece = defineSampler(
  {
    ...common,
    id: 'sa_solver_pece',
    label: 'SA-Solver PECE',
    comfyui: ['sa_solver_pece'],
    callsPerStep: 2,
    secondOrder: true,
  },
  (ctx, x, sigmas) => run(ctx, x, sigmas, true),
);

async function run<L>(
  ctx: SamplerContext<L, { sNoise: number; eta: number; predictorOrder: number; correctorOrder: number }>,
  x: L,
  given: readonly number[],
  pece: boolean,
): Promise<L> {
  const { sNoise, eta, predictorOrder, correctorOrder } = ctx.options;
  const sigmas = offsetFirstSigma(ctx.model, given);
  const lambdas = sigmas.map((s) => lambdaOf(ctx.model, s));
  const count = sigmas.length;
  const endsAtZero = sigmas[count - 1] === 0;
  const [noisyFrom, noisyTo] = [ctx.model.percentToSigma(0.2), ctx.model.percentToSigma(0.8)];
  let history: L[] = [];
  let predicted = x;
  let noise: L | undefined;
  let tau = 0;
  for (const [i, sigma, next] of sigmaPairs(sigmas)) {
    let denoised = await ctx.denoise(predicted, sigma);
    history = remember(history, denoised, Math.max(predictorOrder, correctorOrder));
    const limit = endsAtZero ? count - 1 - i : count;
    const correct = i === 0 || (next === 0 && !pece) ? 0 : Math.min(correctorOrder, history.length, limit);
    if (correct > 0) {
      x = adams({ from: i - 1, newest: i, order: correct, tau, noise });
      if (pece) {
        denoised = await ctx.denoise(x, sigma);
        history = [denoised, ...history.slice(1)];
      }
    } else {
      x = predicted;
    }
    if (next === 0) {
      predicted = x = ctx.lincomb([1, denoised]);
    } else {
      tau = next <= noisyFrom && next >= noisyTo ? eta : 0;
      const up =
        sNoise * next * Math.sqrt(-Math.expm1(-2 * tau ** 2 * ((lambdas[i + 1] as number) - (lambdas[i] as number))));
      noise = up > 0 ? ctx.lincomb([up, ctx.noise(sigma, next)]) : undefined;
      const order = Math.max(Math.min(predictorOrder, history.length, limit - 1), 1);
      predicted = adams({ from: i, newest: i, order, tau, noise });
    }
    await ctx.onStep({ i, sigma, denoised, x: predicted, keep: [x, noise, ...history] });
  }
  return predicted;

  /** One Adams step from x at level `from` to the next one, with the newest `order` estimates and that interval's noise. */
  function adams(step: AdamsStep<L>): L {
    const { from, newest, order, tau, noise } = step;
    const [s, t] = [lambdas[from] as number, lambdas[from + 1] as number];
    const nodes = history.slice(0, order).map((_, k) => lambdas[newest - k] as number);
    const alpha = alphaOf(ctx.model, sigmas[from + 1] as number);
    return ctx.lincomb(
      [((sigmas[from + 1] as number) / (sigmas[from] as number)) * Math.exp(-(tau ** 2) * (t - s)), x],
      ...adamsWeights(nodes, s, t, tau).map((w, k) => [alpha * w, history[k] as L] as const),
      ...(noise === undefined ? [] : [[1, noise] as const]),
    );
  }
}

interface AdamsStep<L> {
  readonly from: number;
  readonly newest: number;
  readonly order: number;
  readonly tau: number;
  readonly noise: L | undefined;
}

/**
 * Integrals over s..t of the Lagrange basis of `nodes` times m*exp(m*(v - t)), m = 1 + tau^2.
 * Moments by parts: I_p = t^p - s^p*exp(-m*h) - p/m * I_(p-1), shifted to t so that they stay small.
 */
function adamsWeights(nodes: readonly number[], s: number, t: number, tau: number): number[] {
  const m = 1 + tau ** 2;
  const decay = Math.exp(-m * (t - s));
  const moments: number[] = [];
  nodes.forEach((_, p) => {
    const end = p === 0 ? 1 - decay : -((s - t) ** p) * decay;
    moments.push(end - (p === 0 ? 0 : (p / m) * (moments[p - 1] as number)));
  });
  return solveLinear(
    moments.map((_, p) => nodes.map((v) => (v - t) ** p)),
    moments,
  );
}
