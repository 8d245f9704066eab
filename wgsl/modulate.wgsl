// y[n, t, d] = x[n, t, d] · (1 + scale[n, d]) + shift[n, d]
// Grid: one thread per element, 256 per group. Source: Peebles & Xie 2023, section 3.2.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements of x
  width: u32, // D
  tokens: u32, // T
  hasShift: u32,
  inPlace: u32, // 1: x lies in y
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> shift: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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
  let at = (i / (params.width * params.tokens)) * params.width + i % params.width;
  var value = sourceAt(i) * (1.0 + scale[at]);
  if (params.hasShift != 0u) {
    value += shift[at];
  }
  y[i] = value;
}
