// y[m, n] = activation(Σ_split partial[split, m, n] + bias[n]) + residual[m, n]: second half of a split-K product.
// Grid: one thread per output, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  m: u32,
  n: u32,
  splits: u32,
  rowStart: u32, // first output feature of this part of W
  yStride: u32, // output features in all
  activation: u32, // UNARY_CODES, 0 is none
  hasBias: u32,
  hasResidual: u32, // 1: a tensor of its own, 2: lies in y, which takes its place
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 256u + local;
  let count = params.m * params.n;
  if (i >= count) {
    return;
  }
  var sum = 0.0;
  for (var split = 0u; split < params.splits; split++) {
    sum += partial[split * count + i];
  }
  store(i / params.n, i % params.n, sum);
}
