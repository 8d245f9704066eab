import { eta, sNoise } from '../options';
import { defineSampler, sigmaPairs, type Term } from '../sampler';
import { alphaOf, lambdaOf, offsetFirstSigma } from '../snr';

/** Stochastic DPM-Solver++ with two remembered estimates. */
export const dpmpp3mSde = defineSampler(
  {
    id: 'dpmpp_3m_sde',
    label: 'DPM++ 3M SDE',
    aliases: ['k_dpmpp_3m_sde'],
    comfyui: ['dpmpp_3m_sde', 'dpmpp_3m_sde_gpu'],
    options: { eta, sNoise },
    order: 3,
    callsPerStep: 1,
    preferredSchedule: 'exponential',
    parameterizations: ['ve', 'flow'],
    discardPenultimate: true,
    brownian: true,
    stochastic: true,
    webui: true,
    source: 'k-diffusion sample_dpmpp_3m_sde; flow form as in ComfyUI',
  },
  async (ctx, x, given) => {
    const { eta, sNoise } = ctx.options;
    let h1 = 0;
    let h2 = 0;
    let d1: typeof x | undefined;
    let d2: typeof x | undefined;
    for (const [i, sigma, next] of sigmaPairs(offsetFirstSigma(ctx.model, given))) {
      const denoised = await ctx.denoise(x, sigma);
      const h = lambdaOf(ctx.model, next) - lambdaOf(ctx.model, sigma);
      if (next === 0) {
        x = ctx.lincomb([1, denoised]);
      } else {
        const he = h * (1 + eta);
        const alpha = alphaOf(ctx.model, next);
        const phi2 = Math.expm1(-he) / he + 1;
        const phi3 = phi2 / he - 0.5;
        const terms: Term<typeof x>[] = [
          [(next / sigma) * Math.exp(-h * eta), x],
          [-Math.expm1(-he) * alpha, denoised],
        ];
        if (d1 !== undefined && d2 !== undefined) {
          const [r0, r1] = [h1 / h, h2 / h];
          // Weights of the two divided differences (D - D1)/r0 and (D1 - D2)/r1.
          const near = alpha * (phi2 * (1 + r0 / (r0 + r1)) - phi3 / (r0 + r1));
          const far = alpha * ((phi2 * r0 - phi3) / (r0 + r1));
          terms.push([near / r0, denoised], [-near / r0 - far / r1, d1], [far / r1, d2]);
        } else if (d1 !== undefined) {
          const near = (alpha * phi2 * h) / h1;
          terms.push([near, denoised], [-near, d1]);
        }
        if (eta > 0) terms.push([sNoise * next * Math.sqrt(-Math.expm1(-2 * h * eta)), ctx.noise(sigma, next)]);
        x = ctx.lincomb(...terms);
      }
      await ctx.onStep({ i, sigma, denoised, x, keep: [denoised, d1] });
      [h2, h1, d2, d1] = [h1, h, d1, denoised];
    }
    return x;
  },
);
