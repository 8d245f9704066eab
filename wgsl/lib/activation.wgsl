// Activations by number; `UNARY_CODES` in src/lib/backends/webgpu/ops/codes.ts holds the same numbers. Call it from one
// place per kernel, in a loop where needed: compilers copy it to every call.

// erf by W. J. Cody's fit as printed in Numerical Recipes, 6.2 (erfcc): relative error of erfc below 1.2e-7.
fn erfApprox(x: f32) -> f32 {
  let z = abs(x);
  let t = 1.0 / (1.0 + 0.5 * z);
  let poly = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let erfc = t * exp(-z * z + poly);
  return select(erfc - 1.0, 1.0 - erfc, x >= 0.0);
}

fn sigmoidOf(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

// The argument is clamped: tanh of large values is NaN under some fast-math compilers.
fn tanhOf(x: f32) -> f32 {
  return tanh(clamp(x, -10.0, 10.0));
}

fn activate(kind: u32, x: f32) -> f32 {
  switch kind {
    case 1u: { return x * sigmoidOf(x); }
    case 2u: { return 0.5 * x * (1.0 + erfApprox(x * 0.70710678)); }
    case 3u: { return 0.5 * x * (1.0 + tanhOf(0.79788456 * (x + 0.044715 * x * x * x))); }
    case 4u: { return x * sigmoidOf(1.702 * x); }
    case 5u: { return max(x, 0.0); }
    case 6u: { return tanhOf(x); }
    case 7u: { return sigmoidOf(x); }
    default: { return x; }
  }
}
