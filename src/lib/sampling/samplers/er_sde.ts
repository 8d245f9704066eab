import type { OptionSchema } from '../options';
import { sNoise } from '../options';
import { defineSampler, sigmaPairs, type Term } from '../sampler';
import { alphaOf, offsetFirstSigma } from '../snr';

const options = {
  sNoise,
  maxStage: { kind: 'number', default: 3, min: 1, max: 3, integer: true, about: 'Order of the expansion.' },
} as const satisfies OptionSchema;

/** Points of the rectangle sums; part of the rule. */
const POINTS = 200;

/** Noise scale of ER-SDE 5: x * (exp(x^0.3) + 10). */
function noiseScale(v: number): number {
  return v * (Math.exp(v ** 0.3) + 10);
}

/** Extended reverse-time SDE solver of order 3. */
export const erSde = defineSampler(
  {
    id: 'er_sde',
    label: 'ER SDE',
    aliases: [],
    comfyui: ['er_sde'],
    sdcpp: ['er_sde'],
    options,
    order: 3,
    callsPerStep: 1,
    preferredSchedule: 'normal',
    parameterizations: ['ve', 'flow'],
    stochastic: true,
    source: 'Cui et al. 2023, Elucidating the solution space of extended reverse-time SDE, ER-SDE-Solver-3',
  },
  async (ctx, x, given) => {
    const sigmas = offsetFirstSigma(ctx.model, given);
    // Noise-to-signal ratio, the time of this solver.
    const ratios = sigmas.map((s) => s / alphaOf(ctx.model, s));
    let d1: typeof x | undefined;
    let d2: typeof x | undefined;
    for (const [i, sigma, next] of sigmaPairs(sigmas)) {
      const denoised = await ctx.denoise(x, sigma);
      if (next === 0) {
        x = ctx.lincomb([1, denoised]);
      } else {
        const [from, to] = [ratios[i] as number, ratios[i + 1] as number];
        const alpha = alphaOf(ctx.model, next);
        const r = noiseScale(to) / noiseScale(from);
        const terms: Term<typeof x>[] = [
          [(alpha / alphaOf(ctx.model, sigma)) * r, x],
          [alpha * (1 - r), denoised],
        ];
        const stage = Math.min(ctx.options.maxStage, i + 1);
        if (stage >= 2 && d1 !== undefined) {
          const { s, su } = sums(from, to);
          const before = from - (ratios[i - 1] as number);
          let weight = (alpha * (to - from + s * noiseScale(to))) / before;
          if (stage >= 3 && d2 !== undefined) {
            const second =
              (alpha * ((to - from) ** 2 / 2 + su * noiseScale(to))) / ((from - (ratios[i - 2] as number)) / 2);
            weight += second / before;
            const older = second / ((ratios[i - 1] as number) - (ratios[i - 2] as number));
            terms.push([-older, d1], [older, d2]);
          }
          terms.push([weight, denoised], [-weight, d1]);
        }
        const noise = alpha * ctx.options.sNoise * Math.sqrt(Math.max(to ** 2 - from ** 2 * r ** 2, 0));
        terms.push([noise, ctx.noise(sigma, next)]);
        x = ctx.lincomb(...terms);
      }
      await ctx.onStep({ i, sigma, denoised, x, keep: [denoised, d1] });
      [d2, d1] = [d1, denoised];
    }
    return x;
  },
);

/** Integrals of 1/scale and (v - from)/scale from `to` up to `from`. */
function sums(from: number, to: number): { s: number; su: number } {
  const width = (from - to) / POINTS;
  let [s, su] = [0, 0];
  for (let k = 0; k < POINTS; k++) {
    const v = to + k * width;
    s += 1 / noiseScale(v);
    su += (v - from) / noiseScale(v);
  }
  return { s: s * width, su: su * width };
}
