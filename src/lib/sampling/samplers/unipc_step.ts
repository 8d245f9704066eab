/** One predictor-corrector update of UniPC with data prediction, for x/alpha, where time is lambda = -ln(sigma). */
import { remember, solveLinear } from '../math';
import type { SamplerContext, Term } from '../sampler';

export type UniPcVariant = 'bh1' | 'bh2' | 'vary_coeff';

/** A past estimate and the noise level (sigma/alpha) it belongs to. */
export interface UniPcPoint<L> {
  readonly sigma: number;
  readonly denoised: L;
}

export interface UniPcRun<L> {
  readonly variant: UniPcVariant;
  readonly order: number;
  readonly lowerOrderFinal: boolean;
  /** Noise levels of x/alpha; the last one is reached without a model call. */
  readonly levels: readonly number[];
  /** Estimate of the clean latent at level number `step`. */
  readonly denoise: (x: L, step: number) => Promise<L>;
}

/** The whole multistep walk. Orders: 1, 2, .. up to `order`, falling again at the end when `lowerOrderFinal`. */
export async function runUniPc<L>(ctx: SamplerContext<L, unknown>, x: L, run: UniPcRun<L>): Promise<L> {
  const { levels } = run;
  const steps = levels.length - 1;
  let history: UniPcPoint<L>[] = [{ sigma: levels[0] ?? 1, denoised: await run.denoise(x, 0) }];
  for (let step = 1; step <= steps; step++) {
    const order = Math.min(step, run.order, run.lowerOrderFinal ? steps + 1 - step : run.order);
    const from = history[0] as UniPcPoint<L>;
    const sigma = levels[step] as number;
    const plan = coefficients(run.variant, history.slice(0, order), sigma);
    const predicted = ctx.lincomb([sigma / from.sigma, x], ...plan.predict.map((c, k) => term(c, history, k)));
    if (step < steps) {
      const denoised = await run.denoise(predicted, step);
      x = ctx.lincomb([sigma / from.sigma, x], ...plan.correct.slice(1).map((c, k) => term(c, history, k)), [
        plan.correct[0] as number,
        denoised,
      ]);
      history = remember(history, { sigma, denoised }, run.order);
    } else {
      x = predicted;
    }
    await ctx.onStep({
      i: step - 1,
      sigma: from.sigma,
      denoised: from.denoised,
      x,
      keep: history.map((p) => p.denoised),
    });
  }
  return x;
}

function term<L>(coefficient: number, history: readonly UniPcPoint<L>[], k: number): Term<L> {
  return [coefficient, (history[k] as UniPcPoint<L>).denoised];
}

/**
 * Coefficients of the estimates. `predict`: of history (newest first). `correct`: of the new estimate, then of history.
 * Source: Zhao et al. 2023, UniPC, algorithms 5-8 and appendix (varying coefficients).
 */
function coefficients<L>(
  variant: UniPcVariant,
  history: readonly UniPcPoint<L>[],
  sigma: number,
): { readonly predict: number[]; readonly correct: number[] } {
  const from = (history[0] as UniPcPoint<L>).sigma;
  const h = Math.log(from / sigma);
  const order = history.length;
  // Positions of the older points relative to the step, then of its end.
  const r = [...history.slice(1).map((p) => Math.log(from / p.sigma) / h), 1];
  const phi = phis(-h, order + 1);
  const weights = variant === 'vary_coeff' ? varying(r, phi) : bh(variant, r, phi, h);
  return {
    predict: fold(phi[0] as number, weights.predict, r),
    correct: [-(weights.correct[order - 1] as number), ...fold(phi[0] as number, weights.correct, r)],
  };
}

/** Weights of the differences (D_k - D_0)/r_k turned into weights of D_0, D_1, ... */
function fold(phi1: number, weights: readonly number[], r: readonly number[]): number[] {
  const shares = weights.map((w, k) => w / (r[k] as number));
  const older = shares.slice(0, r.length - 1).map((s) => -s);
  return [-phi1 + shares.reduce((a, b) => a + b, 0), ...older];
}

/** h*phi_1, h*phi_2, ... of the paper at hh = -h. */
function phis(hh: number, count: number): number[] {
  const list = [Math.expm1(hh)];
  let factorial = 1;
  for (let k = 1; k < count; k++) {
    list.push((list[k - 1] as number) / hh - 1 / factorial);
    factorial *= k + 1;
  }
  return list;
}

function bh(
  variant: 'bh1' | 'bh2',
  r: readonly number[],
  phi: readonly number[],
  h: number,
): { predict: number[]; correct: number[] } {
  const scale = variant === 'bh1' ? -h : Math.expm1(-h);
  const order = r.length;
  let factorial = 1;
  const right: number[] = [];
  for (let k = 1; k <= order; k++) {
    right.push(((phi[k] as number) * factorial) / scale);
    factorial *= k + 1;
  }
  const rows = right.map((_, k) => r.map((v) => v ** k));
  // The paper's shortcuts for the lowest orders.
  const predict =
    order === 1
      ? []
      : order === 2
        ? [0.5]
        : solveLinear(
            rows.slice(0, -1).map((row) => row.slice(0, -1)),
            right.slice(0, -1),
          );
  const correct = order === 1 ? [0.5] : solveLinear(rows, right);
  return { predict: predict.map((v) => v * scale), correct: correct.map((v) => v * scale) };
}

function varying(r: readonly number[], phi: readonly number[]): { predict: number[]; correct: number[] } {
  const order = r.length;
  const inverse = (size: number): number[][] => {
    // Row i: r_i^k / (k+1)! for k = 0..size-1.
    const rows = r.slice(0, size).map((v) => {
      let value = 1;
      return Array.from({ length: size }, (_, k) => {
        const entry = value;
        value = (value * v) / (k + 2);
        return entry;
      });
    });
    const columns = rows.map((_, j) =>
      solveLinear(
        rows,
        rows.map((__, i) => (i === j ? 1 : 0)),
      ),
    );
    return rows.map((_, i) => columns.map((column) => column[i] as number));
  };
  const predictor = inverse(order - 1);
  const corrector = inverse(order);
  const weigh = (matrix: readonly number[][], rows: number, j: number): number =>
    matrix.slice(0, rows).reduce((sum, row, k) => sum + (phi[k + 1] as number) * (row[j] as number), 0);
  const predict = r.slice(0, -1).map((_, j) => weigh(predictor, order - 1, j));
  const correct = r.slice(0, -1).map((_, j) => weigh(corrector, order - 1, j));
  // The published code weighs the newest difference with one row only.
  const row = corrector[Math.max(order - 2, 0)] as number[];
  return { predict, correct: [...correct, (phi[order] as number) * (row[order - 1] as number)] };
}
