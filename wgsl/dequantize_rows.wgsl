// Rows of a quantized weight as floats, in the layout of quant/f16.wgsl or quant/f32.wgsl: a scratch for products with many
// rows. Blocks that run across (channel, ky, kx) come out as (ky, kx, channel), channels filled up to a multiple of 4.
// Grid: one thread per 4 elements of the result, 256 per group. Needs dequantize_half or dequantize_float.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements of the result / 4
  firstRow: u32, // of W
  rowElems: u32, // elements from one row of W to the next, a multiple of 4
  targetRow: u32, // elements of a row of the result, a multiple of 4
  taps: u32, // ky · kx where the order changes, else 1
  channels: u32, // elements of a row of W per tap
  blockSize: u32, // weights per absmax, for code4
}
@group(1) @binding(0) var<uniform> params: Params;

fn decoded(row: u32, c: u32, tap: u32) -> f32 {
  if (c >= params.channels) {
    return 0.0;
  }
  let e = row * params.rowElems + c * params.taps + tap;
  let four = dequant4(row, e & 0xfffffffcu);
  return four[e & 3u];
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
  let row = params.firstRow + (i * 4u) / params.targetRow;
  let inRow = (i * 4u) % params.targetRow;
  if (params.taps == 1u) {
    keep(i, dequant4(row, row * params.rowElems + inRow));
    return;
  }
  let perTap = params.targetRow / params.taps;
  let tap = inRow / perTap;
  let c = inRow % perTap;
  keep(i, vec4<f32>(decoded(row, c, tap), decoded(row, c + 1u, tap), decoded(row, c + 2u, tap), decoded(row, c + 3u, tap)));
}
