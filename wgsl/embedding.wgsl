// y[t, d] = W[ids[t], d]; W [V, D] from a quant fragment. With W in parts, each part writes the rows it holds.
// Grid: one thread per 4 outputs of a row, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // tokens times ceil(width / 4)
  width: u32, // D
  rowElems: u32, // elements from one row of W to the next
  rowStart: u32, // first row of this part
  rows: u32, // rows of this part
  blockSize: u32, // weights per absmax, for code4
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> ids: array<i32>;
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
  let perRow = (params.width + 3u) / 4u;
  let token = i / perRow;
  let d = (i % perRow) * 4u;
  let id = u32(ids[token]);
  // Unsigned: an id below rowStart wraps to a large number.
  let row = id - params.rowStart;
  if (row >= params.rows) {
    return;
  }
  let values = dequant4(row, row * params.rowElems + d);
  for (var j = 0u; j < min(4u, params.width - d); j++) {
    y[token * params.width + d + j] = values[j];
  }
}
