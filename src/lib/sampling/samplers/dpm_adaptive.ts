import { AppError } from '../../base/errors';
import type { OptionSchema } from '../options';
import { eta, sNoise } from '../options';
import { defineSampler } from '../sampler';
import { noisyTarget, slopeAt, step1, step2, step3 } from './dpm_solver';

const number = { kind: 'number', min: 0, max: 100 } as const;
const options = {
  eta,
  sNoise,
  order: { ...number, default: 3, min: 2, max: 3, integer: true, about: 'Order of the accepted step.' },
  rtol: { ...number, default: 0.05, min: 1e-6, about: 'Relative error allowed per step.' },
  atol: { ...number, default: 0.0078, min: 1e-6, about: 'Absolute error allowed per step.' },
  hInit: { ...number, default: 0.05, min: 1e-4, about: 'First step width in ln(sigma).' },
  pcoeff: { ...number, default: 0, about: 'Proportional share of the step control.' },
  icoeff: { ...number, default: 1, about: 'Integral share of the step control.' },
  dcoeff: { ...number, default: 0, about: 'Derivative share of the step control.' },
  acceptSafety: { ...number, default: 0.81, about: 'A step is repeated when the control factor falls below this.' },
} as const satisfies OptionSchema;

/** Steps of either width that take this many are a sign of tolerances that cannot be met. */
const MAX_ATTEMPTS = 5000;

/** DPM-Solver 2/3 (or 1/2) with step control; the number of steps is ignored. */
export const dpmAdaptive = defineSampler(
  {
    id: 'dpm_adaptive',
    label: 'DPM adaptive',
    aliases: ['k_dpm_ad'],
    comfyui: ['dpm_adaptive'],
    options,
    order: 3,
    callsPerStep: 3,
    preferredSchedule: 'uniform',
    parameterizations: ['ve'],
    rangeOnly: true,
    usesEnsd: true,
    stochastic: true,
    webui: true,
    source:
      'Lu et al. 2022, DPM-Solver-12/23; step control of Jolicoeur-Martineau et al. 2021; k-diffusion dpm_solver_adaptive',
  },
  async (ctx, x) => {
    const { order, rtol, atol, eta, sNoise } = ctx.options;
    const end = -Math.log(ctx.range.sigmaMin);
    let t = -Math.log(ctx.range.sigmaMax);
    let reference = x;
    const control = stepControl({ ...ctx.options, order: eta > 0 ? 1.5 : order });
    let i = 0;
    for (let attempt = 0; t < end - 1e-5; attempt++) {
      if (attempt >= MAX_ATTEMPTS) {
        throw new AppError(
          'job/non-finite',
          `DPM adaptive: no progress after ${attempt} attempts at sigma ${Math.exp(-t)}; raise rtol or choose another sampler.`,
        );
      }
      const next = Math.min(end, t + control.width());
      const { to, up } = noisyTarget(t, next, end, eta);
      const from = await slopeAt(ctx, x, t);
      const second = await step2(ctx, from, to, order === 3 ? 1 / 3 : 1 / 2);
      const low = order === 3 ? second.x : step1(ctx, from, to);
      const high = order === 3 ? await step3(ctx, from, to, second.inner) : second.x;
      if (!control.accept(await ctx.scaledError({ a: low, b: high, reference, atol, rtol }))) continue;
      const sigma = Math.exp(-t);
      reference = low;
      x = up > 0 ? ctx.lincomb([1, high], [up * sNoise, ctx.noise(sigma, Math.exp(-next))]) : high;
      t = next;
      await ctx.onStep({ i: i++, sigma, denoised: from.denoised, x, keep: [reference] });
    }
    return x;
  },
);

interface ControlOptions {
  readonly hInit: number;
  readonly order: number;
  readonly pcoeff: number;
  readonly icoeff: number;
  readonly dcoeff: number;
  readonly acceptSafety: number;
}

/** PID step control on the inverse error. */
function stepControl(o: ControlOptions): { width(): number; accept(error: number): boolean } {
  let h = o.hInit;
  let [e1, e2]: [number?, number?] = [];
  return {
    width: () => h,
    accept(error) {
      const inverse = 1 / (error + 1e-8);
      e1 ??= inverse;
      e2 ??= inverse;
      const factor =
        inverse ** ((o.pcoeff + o.icoeff + o.dcoeff) / o.order) *
        e1 ** (-(o.pcoeff + 2 * o.dcoeff) / o.order) *
        e2 ** (o.dcoeff / o.order);
      const limited = 1 + Math.atan(factor - 1);
      if (!Number.isFinite(limited))
        throw new AppError(
          'job/non-finite',
          'DPM adaptive: the error estimate is not a number; the model returned values that are not finite.',
        );
      h *= limited;
      if (limited < o.acceptSafety) return false;
      [e2, e1] = [e1, inverse];
      return true;
    },
  };
}
