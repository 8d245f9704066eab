// y[m, n] = activation(Σ_k A[m, k] · W[n, k] + bias[n]) + residual[m, n] for few rows (M up to 4 per group).
// Bound by reading W: 64 threads share one reduction over K, 4 columns at a time, then add up (lib/reduce_rows).
// Grid: ceil(M / 4) x ceil(N / 4) groups, columns first. Source: the usual split-along-K GEMV.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let columnTiles = (params.n + 3u) / 4u;
  let tile = groupIndex(workgroup, groups);
  let m = (tile / columnTiles) * 4u;
  let n = (tile % columnTiles) * 4u;
  let columns = min(vec4<u32>(n) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.n - 1u));
  let starts = columns * params.rowElems;
  let row0 = rowAt(m);
  let row1 = rowAt(m + 1u);
  let row2 = rowAt(m + 2u);
  let row3 = rowAt(m + 3u);
  var sum0 = vec4<f32>(0.0);
  var sum1 = vec4<f32>(0.0);
  var sum2 = vec4<f32>(0.0);
  var sum3 = vec4<f32>(0.0);
  for (var k = local * 4u; k < params.k; k += 256u) {
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
  for (var k = local * 4u; k < sideLength(); k += 256u) {
    let w = mat4x4<f32>(sideB4(n, k), sideB4(n + 1u, k), sideB4(n + 2u, k), sideB4(n + 3u, k));
    sum0 += sideA4(m, k) * w;
    sum1 += sideA4(m + 1u, k) * w;
    sum2 += sideA4(m + 2u, k) * w;
    sum3 += sideA4(m + 3u, k) * w;
  }
  let totals = sumRowsOver64(local, mat4x4<f32>(sum0, sum1, sum2, sum3));
  // Sixteen threads store one output each.
  if (local < 16u) {
    emit(0u, m + local / 4u, n + local % 4u, totals[local / 4u][local % 4u]);
  }
}
