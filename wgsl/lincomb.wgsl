// y = (y +) Σ coefficient · x over up to 4 tensors of one shape; longer sums take several dispatches.
// Grid: one thread per element, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements
  terms: u32, // 1 to 4
  accumulate: u32, // 1: add to y
  inPlace: u32, // 1: x0 lies in y
  coefficients: vec4<f32>,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x0: array<f32>;
@group(0) @binding(1) var<storage, read_write> x1: array<f32>;
@group(0) @binding(2) var<storage, read_write> x2: array<f32>;
@group(0) @binding(3) var<storage, read_write> x3: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

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
  var sum = 0.0;
  if (params.inPlace != 0u) {
    sum = params.coefficients.x * y[i];
  } else {
    sum = params.coefficients.x * x0[i];
  }
  if (params.terms > 1u) {
    sum += params.coefficients.y * x1[i];
  }
  if (params.terms > 2u) {
    sum += params.coefficients.z * x2[i];
  }
  if (params.terms > 3u) {
    sum += params.coefficients.w * x3[i];
  }
  if (params.accumulate != 0u) {
    sum += y[i];
  }
  y[i] = sum;
}
