// y[r, d] = f(gate[r, d]) · other[r, d]; gate and other are the halves of x [rows, 2·width].
// Grid: one thread per output, 256 per group. Source: Shazeer 2020, eq. 6.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // outputs
  width: u32, // elements of one half
  kind: u32, // UNARY_CODES
  gateStart: u32, // 0 or width
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

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
  let row = i / params.width;
  let d = i % params.width;
  let base = row * 2u * params.width + d;
  y[i] = activate(params.kind, x[base + params.gateStart]) * x[base + params.width - params.gateStart];
}
