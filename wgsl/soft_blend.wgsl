// y = s · (init (1 − t) + painted t) per cell, t = mask^exponent; s brings the length over the channels to the power mean
// ((|init|^power (1 − t) + |painted|^power t)^(1 / power)) of the two lengths.
// painted, y [N, C, P] (P cells), init [1 or N, C, P], mask [P] of 0 to 1. Squares of values beyond 1e18 overflow.
// Grid: one thread per cell and picture, 256 per group. Source: "soft-inpainting", an extension that ships with the web UIs.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // N · P
  channels: u32, // C
  cells: u32, // P
  initStride: u32, // elements from one picture of init to the next, 0 for one that serves all
  exponent: f32, // 0 or more
  power: f32, // 1 or more
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> init: array<f32>;
@group(0) @binding(1) var<storage, read> painted: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Logarithm of nothing: far below any other, so that what it belongs to has no weight.
const NOTHING = -1e9;

// ln m for m of 0 to 1. WGSL's own is off by up to 2^-21 near 1, where a power of 32 would show it: there by atanh.
fn lnOf(m: f32) -> f32 {
  if (m < 0.5) {
    return select(log(max(m, 1e-37)), NOTHING, m <= 0.0);
  }
  let z = (min(m, 1.0) - 1.0) / (min(m, 1.0) + 1.0);
  let q = z * z;
  return 2.0 * z * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0))))));
}

// 1 − exp(y) for y ≤ 0, to the last digits where exp(y) is nearly 1.
fn oneMinusExp(y: f32) -> f32 {
  if (y < -0.5) {
    return 1.0 - exp(y);
  }
  return -y * (1.0 + y / 2.0 * (1.0 + y / 3.0 * (1.0 + y / 4.0 * (1.0 + y / 5.0 * (1.0 + y / 6.0 * (1.0 + y / 7.0 * (1.0 + y / 8.0)))))));
}

// Logarithm of length^power · weight, from the square of the length and the logarithm of the weight.
fn lnTerm(square: f32, lnWeight: f32) -> f32 {
  return select(params.power * 0.5 * log(max(square, 1e-37)) + lnWeight, NOTHING, square <= 0.0 || lnWeight <= NOTHING);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 256u + local;
  if (i >= params.count) {
    return;
  }
  let n = i / params.cells;
  let cell = i % params.cells;
  let first = n * params.channels * params.cells + cell;
  let firstInit = n * params.initStride + cell;
  // mask^0 is 1 everywhere.
  let lnT = select(max(params.exponent * lnOf(mask[cell]), NOTHING), 0.0, params.exponent == 0.0);
  let t = exp(lnT);
  let keep = oneMinusExp(lnT);
  var squares = vec3<f32>();
  for (var c = 0u; c < params.channels; c++) {
    let a = init[firstInit + c * params.cells];
    let b = painted[first + c * params.cells];
    let mixed = a * keep + b * t;
    squares += vec3<f32>(a * a, b * b, mixed * mixed);
  }
  let parts = vec2<f32>(
    lnTerm(squares.x, select(log(max(keep, 1e-37)), NOTHING, keep <= 0.0)),
    lnTerm(squares.y, lnT),
  );
  // In units of the larger part no power overflows, and none gets lost.
  let unit = max(parts.x, parts.y);
  let lnMean = (unit + log(exp(parts.x - unit) + exp(parts.y - unit))) / params.power;
  let scale = select(exp(lnMean), 0.0, unit <= NOTHING) / (sqrt(squares.z) + 1e-5);
  for (var c = 0u; c < params.channels; c++) {
    let a = init[firstInit + c * params.cells];
    let b = painted[first + c * params.cells];
    y[first + c * params.cells] = scale * (a * keep + b * t);
  }
}
