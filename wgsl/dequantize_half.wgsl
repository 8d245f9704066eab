// Rows of a quantized weight as binary16, in the layout of quant/f16.wgsl: a scratch for products with many rows.
// Values beyond 65504 are clamped. Grid: one thread per 4 elements, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements / 4
  rowElems: u32, // elements from one row of W to the next, a multiple of 4
  blockSize: u32, // weights per absmax, for code4
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> y: array<vec2<u32>>;

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
  let e = i * 4u;
  let values = clamp(dequant4(e / params.rowElems, e), vec4<f32>(-65504.0), vec4<f32>(65504.0));
  y[i] = vec2<u32>(pack2x16float(values.xy), pack2x16float(values.zw));
}
