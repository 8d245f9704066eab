/**
 * How large an error may be, per kind of operator, as NMSE = Σ(a-b)² / Σb².
 * One f32 rounding costs about 1e-15, one f16 rounding about 4e-8 (relative error up to 2^-11, mean square a third).
 */
import type { Bound } from './op_case';

/** Elements are moved: nothing but the storage rounding of f16. */
export const MOVED: Bound = { f32: 0, f16: 1e-7 };

/** A handful of exact operations: a few roundings; f16 rounds each input and the result. */
export const ARITHMETIC: Bound = { f32: 1e-13, f16: 1e-6 };

/**
 * exp, tanh, erf: WGSL grants a few ulp to exp and less to tanh; an erf polynomial of 1.5e-7 absolute still fits. The f32
 * limit is that of the golden activation ramps.
 */
export const TRANSCENDENTAL: Bound = { f32: 1e-12, f16: 1e-6 };

/** Sums of up to some thousand products in f32, in any order; f16 rounds inputs, weights and result. */
export const PRODUCTS: Bound = { f32: 1e-11, f16: 1e-6 };

/** Quantised inner products that re-quantise activations are not allowed this way; decoding itself is exact in f32. */
export const QUANTIZED_PRODUCTS: Bound = { f32: 1e-11, f16: 1e-6 };

/** Statistics in f32; subtracting the mean of shifted data loses the bits of the shift (offset 100: 7 bits). */
export const NORMS: Bound = { f32: 1e-10, f16: 2e-6 };

/** f16 inputs carry the offset: at 30 ± 1 each input is rounded by up to 2^-7, a variance of 2e-5. */
export const OFFSET_NORMS: Bound = { f32: 1e-9, f16: 1e-4 };

/** Scores are rounded before exp, which turns their absolute error into a relative one. */
export const ATTENTION: Bound = { f32: 1e-10, f16: 5e-6 };

/** Scores of some hundreds: their f32 rounding (2e-5 absolute) is the result's relative error; in f16 inputs 100 times. */
export const STEEP_ATTENTION: Bound = { f32: 1e-8, f16: 1e-2 };

/** sin and cos of phases to 1000 rad: WGSL grants 2^-11 absolute within ±π only, and f32 phases have 3e-5. */
export const SINUSOIDS: Bound = { f32: 1e-7, f16: 1e-6 };
