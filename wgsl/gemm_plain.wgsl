// y[m, n] = activation(Σ_k A[m, k] · W[n, k] + bias[n]) + residual[m, n]
// A from an operand fragment, W [N, K] from a quant fragment, side path and store from theirs; sums in f32.
// Grid: one thread per 4 x 4 outputs, 64 threads per group, columns first. No shared memory: the version that must be
// right everywhere. Source: register tiling as in Volkov & Demmel 2008.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let columnTiles = (params.n + 3u) / 4u;
  let tile = groupIndex(workgroup, groups) * 64u + local;
  let m = (tile / columnTiles) * 4u;
  let n = (tile % columnTiles) * 4u;
  if (m >= params.m) {
    return;
  }
  let last = params.n - 1u;
  let columns = min(vec4<u32>(n) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last));
  let starts = columns * params.rowElems;
  let row0 = rowAt(m);
  let row1 = rowAt(m + 1u);
  let row2 = rowAt(m + 2u);
  let row3 = rowAt(m + 3u);
  var sum0 = vec4<f32>(0.0);
  var sum1 = vec4<f32>(0.0);
  var sum2 = vec4<f32>(0.0);
  var sum3 = vec4<f32>(0.0);
  for (var k = 0u; k < params.k; k += 4u) {
    let step = kAt(k);
    let w = mat4x4<f32>(
      dequant4(columns.x, starts.x + k),
      dequant4(columns.y, starts.y + k),
      dequant4(columns.z, starts.z + k),
      dequant4(columns.w, starts.w + k),
    );
    sum0 += loadA4(row0, step) * w;
    sum1 += loadA4(row1, step) * w;
    sum2 += loadA4(row2, step) * w;
    sum3 += loadA4(row3, step) * w;
  }
  for (var k = 0u; k < sideLength(); k += 4u) {
    let w = mat4x4<f32>(sideB4(n, k), sideB4(n + 1u, k), sideB4(n + 2u, k), sideB4(n + 3u, k));
    sum0 += sideA4(m, k) * w;
    sum1 += sideA4(m + 1u, k) * w;
    sum2 += sideA4(m + 2u, k) * w;
    sum3 += sideA4(m + 3u, k) * w;
  }
  let sums = array<vec4<f32>, 4>(sum0, sum1, sum2, sum3);
  for (var i = 0u; i < 16u; i++) {
    emit(0u, m + i / 4u, n + i % 4u, sums[i / 4u][i % 4u]);
  }
}
