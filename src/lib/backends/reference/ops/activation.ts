/** Point-wise activations in f64. */
import type { Activation } from '../../../graph/ops/activation';

/** Complementary error function to about 1e-15, by series below 2.5 and continued fraction above. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    // erf(x) = 2/sqrt(pi) exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n+1)!!; all terms positive (Abramowitz & Stegun 7.1.6).
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  if (x > 27) return 0;
  // Abramowitz & Stegun 7.1.14, from the tail up; 60 levels converge to f64 for x >= 2.5.
  let tail = x;
  for (let n = 60; n >= 1; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const functions: Record<Activation, (x: number) => number> = {
  silu: (x) => x * sigmoid(x),
  // erfc keeps the small negative tail exact, where 1 + erf would cancel.
  gelu: (x) => 0.5 * x * erfc(-x / Math.SQRT2),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
  quickGelu: (x) => x * sigmoid(1.702 * x),
  relu: (x) => Math.max(0, x),
  tanh: Math.tanh,
  sigmoid,
};

export function activationFunction(kind: Activation): (x: number) => number {
  return functions[kind];
}

/** `activation(y)` in place, before the caller adds a residual. */
export function activateInPlace(y: Float64Array, kind: Activation | undefined): void {
  if (!kind) return;
  const f = functions[kind];
  for (let i = 0; i < y.length; i++) y[i] = f(y[i] ?? 0);
}
