// As lib/reduce_rows.wgsl by subgroup operations; the remarks in lib/reduce_subgroup.wgsl hold.
var<workgroup> rowSums: array<vec4<f32>, 256>;
var<workgroup> rowSumsSize: u32;

fn sumRowsOver64(local: u32, block: mat4x4<f32>) -> mat4x4<f32> {
  let lanes = subgroupAdd(1u);
  if (local == 0u) {
    rowSumsSize = lanes;
  }
  rowSums[local * 4u] = subgroupAdd(block[0]);
  rowSums[local * 4u + 1u] = subgroupAdd(block[1]);
  rowSums[local * 4u + 2u] = subgroupAdd(block[2]);
  rowSums[local * 4u + 3u] = subgroupAdd(block[3]);
  workgroupBarrier();
  var total = mat4x4<f32>();
  let step = max(1u, rowSumsSize);
  for (var first = 0u; first < 64u; first += step) {
    let at = first * 4u;
    total += mat4x4<f32>(rowSums[at], rowSums[at + 1u], rowSums[at + 2u], rowSums[at + 3u]);
  }
  return total;
}
