// y[n, d] = x[n, index[n], d]; an index outside is clamped. Grid: one thread per output, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // outputs
  width: u32, // D
  tokens: u32, // T
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
  let n = i / params.width;
  let token = u32(clamp(index[n], 0, i32(params.tokens) - 1));
  y[i] = x[(n * params.tokens + token) * params.width + i % params.width];
}
