// y[m, n] = epilogue(Σ_b dA[m, b] dW[n, b] Σ_{k in b} qA[m, k] qW[n, k]), b a block of 32: four byte products per instruction.
// A comes from quantize_rows.wgsl, which rounds activations to 8 bits (NMSE about 2e-5): a choice of the user's, never the
// default. W [N, K] from an integer fragment. Sums of a block are exact in i32, sums of blocks f32.
// Grid: ceil(M / 64) x ceil(N / 64) groups of 256 threads, columns first; 4 x 4 outputs per thread, 16 apart. Needs the
// language feature packed_4x8_integer_dot_product. Source: the tile of ORT's DP4A MatMulNBits.
@group(0) @binding(0) var<storage, read_write> x: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> xScales: array<f32>;

// Two vectors of 16 codes per row, and one for the banks.
const STRIDE = 3u;
var<workgroup> tileA: array<vec4<u32>, 192>;
var<workgroup> tileB: array<vec4<u32>, 192>;
var<workgroup> scaleA: array<f32, 64>;
var<workgroup> scaleB: array<f32, 64>;

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

fn stage(local: u32, firstRow: u32, firstColumn: u32, k: u32) {
  let r = (local / 2u) & 63u;
  let part = local & 1u;
  if (local < 128u) {
    let row = min(firstRow + r, params.m - 1u);
    tileA[r * STRIDE + part] = x[(row * params.k + k) / 16u + part];
    if (part == 0u) {
      scaleA[r] = xScales[(row * params.k + k) / 32u];
    }
  } else {
    let row = min(firstColumn + r, params.n - 1u);
    let e = row * params.rowElems + k + 16u * part;
    tileB[r * STRIDE + part] = vec4<u32>(codes4(row, e), codes4(row, e + 4u), codes4(row, e + 8u), codes4(row, e + 12u));
    if (part == 0u) {
      scaleB[r] = codeScale(row, e);
    }
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let columnTiles = (params.n + 63u) / 64u;
  let tile = groupIndex(workgroup, groups);
  let firstRow = (tile / columnTiles) * 64u;
  let firstColumn = (tile % columnTiles) * 64u;
  let tx = local % 16u;
  let ty = local / 16u;
  var sum0 = vec4<f32>(0.0);
  var sum1 = vec4<f32>(0.0);
  var sum2 = vec4<f32>(0.0);
  var sum3 = vec4<f32>(0.0);
  for (var k = 0u; k < params.k; k += 32u) {
    stage(local, firstRow, firstColumn, k);
    workgroupBarrier();
    let b = tx * STRIDE;
    let b0 = tileB[b];
    let c0 = tileB[b + 1u];
    let b1 = tileB[b + 48u];
    let c1 = tileB[b + 49u];
    let b2 = tileB[b + 96u];
    let c2 = tileB[b + 97u];
    let b3 = tileB[b + 144u];
    let c3 = tileB[b + 145u];
    let sb = vec4<f32>(scaleB[tx], scaleB[tx + 16u], scaleB[tx + 32u], scaleB[tx + 48u]);
    let a0 = tileA[ty * STRIDE];
    let d0 = tileA[ty * STRIDE + 1u];
    let dots0 = vec4<i32>(
      dot16(a0, b0) + dot16(d0, c0),
      dot16(a0, b1) + dot16(d0, c1),
      dot16(a0, b2) + dot16(d0, c2),
      dot16(a0, b3) + dot16(d0, c3),
    );
    sum0 += vec4<f32>(dots0) * (scaleA[ty] * sb);
    let a1 = tileA[ty * STRIDE + 48u];
    let d1 = tileA[ty * STRIDE + 49u];
    let dots1 = vec4<i32>(
      dot16(a1, b0) + dot16(d1, c0),
      dot16(a1, b1) + dot16(d1, c1),
      dot16(a1, b2) + dot16(d1, c2),
      dot16(a1, b3) + dot16(d1, c3),
    );
    sum1 += vec4<f32>(dots1) * (scaleA[ty + 16u] * sb);
    let a2 = tileA[ty * STRIDE + 96u];
    let d2 = tileA[ty * STRIDE + 97u];
    let dots2 = vec4<i32>(
      dot16(a2, b0) + dot16(d2, c0),
      dot16(a2, b1) + dot16(d2, c1),
      dot16(a2, b2) + dot16(d2, c2),
      dot16(a2, b3) + dot16(d2, c3),
    );
    sum2 += vec4<f32>(dots2) * (scaleA[ty + 32u] * sb);
    let a3 = tileA[ty * STRIDE + 144u];
    let d3 = tileA[ty * STRIDE + 145u];
    let dots3 = vec4<i32>(
      dot16(a3, b0) + dot16(d3, c0),
      dot16(a3, b1) + dot16(d3, c1),
      dot16(a3, b2) + dot16(d3, c2),
      dot16(a3, b3) + dot16(d3, c3),
    );
    sum3 += vec4<f32>(dots3) * (scaleA[ty + 48u] * sb);
    workgroupBarrier();
  }
  let sums = array<vec4<f32>, 4>(sum0, sum1, sum2, sum3);
  for (var i = 0u; i < 16u; i++) {
    emit(0u, firstRow + ty + 16u * (i / 4u), firstColumn + tx + 16u * (i % 4u), sums[i / 4u][i % 4u]);
  }
}
