/** Error measures of the golden suites. */
import type { HostTensor } from '../../../src/lib/backends/backend';

export interface Difference {
  /** Σ(a-b)² / Σb² */
  readonly nmse: number;
  /** max|a-b| / max|b| */
  readonly maxAbsRel: number;
}

/** Compares a result with the reference, both of one element count. A NaN makes both measures infinite. */
export function difference(result: HostTensor, reference: HostTensor): Difference {
  if (result.data.length !== reference.data.length) return { nmse: Infinity, maxAbsRel: Infinity };
  let error = 0;
  let power = 0;
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < reference.data.length; i += 1) {
    const b = reference.data[i] ?? 0;
    const d = (result.data[i] ?? NaN) - b;
    if (Number.isNaN(d)) return { nmse: Infinity, maxAbsRel: Infinity };
    error += d * d;
    power += b * b;
    worst = Math.max(worst, Math.abs(d));
    largest = Math.max(largest, Math.abs(b));
  }
  return { nmse: error / (power || 1), maxAbsRel: worst / (largest || 1) };
}

/** Peak signal-to-noise ratio of pictures clamped to 0..1, dB. */
export function psnr(result: HostTensor, reference: HostTensor): number {
  const clamp = (x: number) => Math.min(1, Math.max(0, x));
  let error = 0;
  for (let i = 0; i < reference.data.length; i += 1) {
    error += (clamp(result.data[i] ?? NaN) - clamp(reference.data[i] ?? 0)) ** 2;
  }
  return error === 0 ? Infinity : -10 * Math.log10(error / reference.data.length);
}

/**
 * The largest error divided by its limit: ≤ 1 passes.
 * Limits: `nmse_f32`, `max_abs_rel_f32`, `image_psnr_db_f32` (for pictures 0..1).
 */
export function overTolerance(
  result: HostTensor,
  reference: HostTensor,
  tolerance: Readonly<Record<string, number>>,
): { ratio: number; text: string } {
  const { nmse, maxAbsRel } = difference(result, reference);
  const ratios = [
    ['nmse', nmse, tolerance['nmse_f32']] as const,
    ['max', maxAbsRel, tolerance['max_abs_rel_f32']] as const,
  ];
  const parts = ratios.flatMap(([name, value, limit]) =>
    limit === undefined ? [] : [{ name, value, limit, ratio: value / limit }],
  );
  const text = parts.map((p) => `${p.name} ${p.value.toExponential(2)} (limit ${p.limit})`).join(', ');
  return { ratio: Math.max(0, ...parts.map((p) => p.ratio)), text };
}
