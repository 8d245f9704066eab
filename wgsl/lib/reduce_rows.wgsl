// The sums of a 4 x 4 block per thread over a group of 64, given to all of them. Uniform control flow only.
var<workgroup> rowSums: array<vec4<f32>, 256>;

fn sumRowsOver64(local: u32, block: mat4x4<f32>) -> mat4x4<f32> {
  rowSums[local] = block[0];
  rowSums[64u + local] = block[1];
  rowSums[128u + local] = block[2];
  rowSums[192u + local] = block[3];
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      for (var row = 0u; row < 4u; row++) {
        rowSums[row * 64u + local] += rowSums[row * 64u + local + half];
      }
    }
  }
  workgroupBarrier();
  return mat4x4<f32>(rowSums[0], rowSums[64], rowSums[128], rowSums[192]);
}
