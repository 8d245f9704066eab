// y[m, n] = activation(Σ_k A[m, k] · W[n, k] + bias[n]) + residual[m, n] for few rows (M up to 4 per group).
// Bound by reading W: 64 threads share one reduction over K, 4 columns at a time, then add up in shared memory.
// Grid: ceil(M / 4) x ceil(N / 4) groups, columns first. Source: the usual split-along-K GEMV.
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<vec4<f32>, 256>;

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
  partial[local] = sum0;
  partial[64u + local] = sum1;
  partial[128u + local] = sum2;
  partial[192u + local] = sum3;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      for (var row = 0u; row < 4u; row++) {
        partial[row * 64u + local] += partial[row * 64u + local + half];
      }
    }
  }
  workgroupBarrier();
  // Sixteen threads store one output each.
  let row = local / 4u;
  let column = local % 4u;
  if (local < 16u && m + row < params.m && n + column < params.n) {
    store(m + row, n + column, partial[row * 64u][column]);
  }
}
