/** Single steps of DPM-Solver 1, 2 and 3 in t = -ln(sigma), shared by DPM fast and DPM adaptive. */
import type { SamplerContext } from '../sampler';
import { ancestralStep } from './steps';

/** Slope eps = (x - D)/sigma at a point. */
export interface Slope<L> {
  readonly x: L;
  readonly t: number;
  readonly eps: L;
  readonly denoised: L;
}

const sigmaOf = (t: number): number => Math.exp(-t);

export async function slopeAt<L>(ctx: SamplerContext<L, unknown>, x: L, t: number): Promise<Slope<L>> {
  const sigma = sigmaOf(t);
  const denoised = await ctx.denoise(x, sigma);
  return { x, t, denoised, eps: ctx.lincomb([1 / sigma, x], [-1 / sigma, denoised]) };
}

export function step1<L>(ctx: SamplerContext<L, unknown>, from: Slope<L>, to: number): L {
  return ctx.lincomb([1, from.x], [-sigmaOf(to) * Math.expm1(to - from.t), from.eps]);
}

/** Inner point at share r1 of the way. Also returns the inner slope, which order 3 uses again. */
export async function step2<L>(
  ctx: SamplerContext<L, unknown>,
  from: Slope<L>,
  to: number,
  r1: number,
): Promise<{ readonly x: L; readonly inner: Slope<L> }> {
  const h = to - from.t;
  const inner = await slopeAt(ctx, step1(ctx, from, from.t + r1 * h), from.t + r1 * h);
  const gain = sigmaOf(to) * Math.expm1(h);
  const second = gain / (2 * r1);
  return { x: ctx.lincomb([1, from.x], [second - gain, from.eps], [-second, inner.eps]), inner };
}

/** Inner points at 1/3 and 2/3; `inner` is the slope at 1/3 when it is known already. */
export async function step3<L>(
  ctx: SamplerContext<L, unknown>,
  from: Slope<L>,
  to: number,
  inner?: Slope<L>,
): Promise<L> {
  const h = to - from.t;
  const [r1, r2] = [1 / 3, 2 / 3];
  const first = inner ?? (await slopeAt(ctx, step1(ctx, from, from.t + r1 * h), from.t + r1 * h));
  const s2 = from.t + r2 * h;
  const gain2 = sigmaOf(s2) * Math.expm1(r2 * h);
  const more2 = sigmaOf(s2) * (r2 / r1) * (Math.expm1(r2 * h) / (r2 * h) - 1);
  const u2 = ctx.lincomb([1, from.x], [more2 - gain2, from.eps], [-more2, first.eps]);
  const second = await slopeAt(ctx, u2, s2);
  const gain3 = sigmaOf(to) * Math.expm1(h);
  const more3 = (sigmaOf(to) / r2) * (Math.expm1(h) / h - 1);
  return ctx.lincomb([1, from.x], [more3 - gain3, from.eps], [-more3, second.eps]);
}

/** Where a step from t to next really goes, and the noise added after it. eta 0: straight to next, none. */
export function noisyTarget(
  t: number,
  next: number,
  end: number,
  eta: number,
): { readonly to: number; readonly up: number } {
  if (eta === 0) return { to: next, up: 0 };
  const { down } = ancestralStep(sigmaOf(t), sigmaOf(next), eta);
  const to = Math.min(end, -Math.log(down));
  return { to, up: Math.sqrt(Math.max(sigmaOf(next) ** 2 - sigmaOf(to) ** 2, 0)) };
}
