// y[row, k] = W[row, k] in f32, for tests and self-tests of the decoders; W [rows, width] from a quant fragment.
// Grid: one thread per 4 values of a row, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // rows times ceil(width / 4)
  width: u32, // values per row
  rowElems: u32, // elements from one row of W to the next
  blockSize: u32, // weights per absmax, for code4
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;

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
  let perRow = (params.width + 3u) / 4u;
  let row = i / perRow;
  let k = (i % perRow) * 4u;
  let values = dequant4(row, row * params.rowElems + k);
  for (var j = 0u; j < min(4u, params.width - k); j++) {
    y[row * params.width + k + j] = values[j];
  }
}
