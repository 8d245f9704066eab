// y = epilogue(A · Wᵀ) as gemm_tiled.wgsl, with products in half precision: twice the rate on Intel, AMD RDNA, Adreno and
// Mali. Every run of 16 numbers of a row is scaled by its own power of two, so neither staging (activations beyond 65504,
// llama.cpp #25748) nor the sums of 16 products (ORT #29611) can overflow or vanish; sums of runs are f32.
// Grid: ceil(M / BM) x ceil(N / BN) x splits groups, columns first, splits last; 8 x 8 outputs per thread, BM / 8 and
// BN / 8 apart. Needs lib/run16.wgsl. Source: block floating point, Wilkinson 1963.
override BM: u32 = 64u;
override BN: u32 = 64u;
override THREADS: u32 = 64u;

const BK = 16u;
// Rows are one vector longer than a run, so that neighbours fall into different banks.
const STRIDE = 5u;
var<workgroup> tileA: array<vec4<f16>, BM * 5u>;
var<workgroup> tileB: array<vec4<f16>, BN * 5u>;
var<workgroup> scaleA: array<f32, BM>;
var<workgroup> scaleB: array<f32, BN>;
var<workgroup> rows: array<Row, BM>;

fn stageA(r: u32, m: u32, kTile: u32, mainTiles: u32) {
  var values: mat4x4<f32>;
  if (kTile < mainTiles) {
    let k = kTile * BK;
    let row = rows[r];
    values = mat4x4<f32>(loadA4(row, kAt(k)), loadA4(row, kAt(k + 4u)), loadA4(row, kAt(k + 8u)), loadA4(row, kAt(k + 12u)));
  } else {
    let k = (kTile - mainTiles) * BK;
    values = mat4x4<f32>(sideA4(m, k), sideA4(m, k + 4u), sideA4(m, k + 8u), sideA4(m, k + 12u));
  }
  let run = runOf(values);
  let at = r * STRIDE;
  tileA[at] = run.half[0];
  tileA[at + 1u] = run.half[1];
  tileA[at + 2u] = run.half[2];
  tileA[at + 3u] = run.half[3];
  scaleA[r] = run.scale;
}

fn stageB(r: u32, n: u32, kTile: u32, mainTiles: u32) {
  var values: mat4x4<f32>;
  if (kTile < mainTiles) {
    let row = min(n, params.n - 1u);
    let base = row * params.rowElems;
    let last = params.rowElems - 4u;
    let k = kTile * BK;
    values = mat4x4<f32>(
      dequant4(row, base + min(k, last)),
      dequant4(row, base + min(k + 4u, last)),
      dequant4(row, base + min(k + 8u, last)),
      dequant4(row, base + min(k + 12u, last)),
    );
  } else {
    let k = (kTile - mainTiles) * BK;
    values = mat4x4<f32>(sideB4(n, k), sideB4(n, k + 4u), sideB4(n, k + 8u), sideB4(n, k + 12u));
  }
  let run = runOf(values);
  let at = r * STRIDE;
  tileB[at] = run.half[0];
  tileB[at + 1u] = run.half[1];
  tileB[at + 2u] = run.half[2];
  tileB[at + 3u] = run.half[3];
  scaleB[r] = run.scale;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let columnTiles = (params.n + BN - 1u) / BN;
  let rowTiles = (params.m + BM - 1u) / BM;
  let tile = groupIndex(workgroup, groups);
  let split = tile / (columnTiles * rowTiles);
  let inPlane = tile % (columnTiles * rowTiles);
  let firstRow = (inPlane / columnTiles) * BM;
  let firstColumn = (inPlane % columnTiles) * BN;
  // Each split takes a whole number of K tiles; those of the side path come last.
  let mainTiles = (params.k + BK - 1u) / BK;
  let kTiles = mainTiles + (sideLength() + BK - 1u) / BK;
  let share = (kTiles + params.splits - 1u) / params.splits;
  let kEnd = min(kTiles, (split + 1u) * share);
  for (var r = local; r < BM; r += THREADS) {
    rows[r] = rowAt(firstRow + r);
  }
  workgroupBarrier();

  let acrossM = BM / 8u;
  let acrossN = BN / 8u;
  let tx = local % acrossN;
  let ty = local / acrossN;
  var low0 = vec4<f32>();
  var high0 = vec4<f32>();
  var low1 = vec4<f32>();
  var high1 = vec4<f32>();
  var low2 = vec4<f32>();
  var high2 = vec4<f32>();
  var low3 = vec4<f32>();
  var high3 = vec4<f32>();
  var low4 = vec4<f32>();
  var high4 = vec4<f32>();
  var low5 = vec4<f32>();
  var high5 = vec4<f32>();
  var low6 = vec4<f32>();
  var high6 = vec4<f32>();
  var low7 = vec4<f32>();
  var high7 = vec4<f32>();
  for (var kTile = split * share; kTile < kEnd; kTile++) {
    for (var r = local; r < BM; r += THREADS) {
      stageA(r, firstRow + r, kTile, mainTiles);
    }
    for (var r = local; r < BN; r += THREADS) {
      stageB(r, firstColumn + r, kTile, mainTiles);
    }
    workgroupBarrier();
    var l0 = vec4<f16>();
    var h0 = vec4<f16>();
    var l1 = vec4<f16>();
    var h1 = vec4<f16>();
    var l2 = vec4<f16>();
    var h2 = vec4<f16>();
    var l3 = vec4<f16>();
    var h3 = vec4<f16>();
    var l4 = vec4<f16>();
    var h4 = vec4<f16>();
    var l5 = vec4<f16>();
    var h5 = vec4<f16>();
    var l6 = vec4<f16>();
    var h6 = vec4<f16>();
    var l7 = vec4<f16>();
    var h7 = vec4<f16>();
    let pitch = acrossN * STRIDE;
    let rowPitch = acrossM * STRIDE;
    for (var k4 = 0u; k4 < 4u; k4++) {
      let b = tx * STRIDE + k4;
      let left = mat4x4<f16>(tileB[b], tileB[b + pitch], tileB[b + 2u * pitch], tileB[b + 3u * pitch]);
      let right = mat4x4<f16>(tileB[b + 4u * pitch], tileB[b + 5u * pitch], tileB[b + 6u * pitch], tileB[b + 7u * pitch]);
      let a = ty * STRIDE + k4;
      let a0 = tileA[a];
      l0 += a0 * left;
      h0 += a0 * right;
      let a1 = tileA[a + rowPitch];
      l1 += a1 * left;
      h1 += a1 * right;
      let a2 = tileA[a + 2u * rowPitch];
      l2 += a2 * left;
      h2 += a2 * right;
      let a3 = tileA[a + 3u * rowPitch];
      l3 += a3 * left;
      h3 += a3 * right;
      let a4 = tileA[a + 4u * rowPitch];
      l4 += a4 * left;
      h4 += a4 * right;
      let a5 = tileA[a + 5u * rowPitch];
      l5 += a5 * left;
      h5 += a5 * right;
      let a6 = tileA[a + 6u * rowPitch];
      l6 += a6 * left;
      h6 += a6 * right;
      let a7 = tileA[a + 7u * rowPitch];
      l7 += a7 * left;
      h7 += a7 * right;
    }
    let sl = vec4<f32>(scaleB[tx], scaleB[tx + acrossN], scaleB[tx + 2u * acrossN], scaleB[tx + 3u * acrossN]);
    let sh = vec4<f32>(scaleB[tx + 4u * acrossN], scaleB[tx + 5u * acrossN], scaleB[tx + 6u * acrossN], scaleB[tx + 7u * acrossN]);
    let s0 = scaleA[ty + 0u * acrossM];
    low0 += vec4<f32>(l0) * (s0 * sl);
    high0 += vec4<f32>(h0) * (s0 * sh);
    let s1 = scaleA[ty + 1u * acrossM];
    low1 += vec4<f32>(l1) * (s1 * sl);
    high1 += vec4<f32>(h1) * (s1 * sh);
    let s2 = scaleA[ty + 2u * acrossM];
    low2 += vec4<f32>(l2) * (s2 * sl);
    high2 += vec4<f32>(h2) * (s2 * sh);
    let s3 = scaleA[ty + 3u * acrossM];
    low3 += vec4<f32>(l3) * (s3 * sl);
    high3 += vec4<f32>(h3) * (s3 * sh);
    let s4 = scaleA[ty + 4u * acrossM];
    low4 += vec4<f32>(l4) * (s4 * sl);
    high4 += vec4<f32>(h4) * (s4 * sh);
    let s5 = scaleA[ty + 5u * acrossM];
    low5 += vec4<f32>(l5) * (s5 * sl);
    high5 += vec4<f32>(h5) * (s5 * sh);
    let s6 = scaleA[ty + 6u * acrossM];
    low6 += vec4<f32>(l6) * (s6 * sl);
    high6 += vec4<f32>(h6) * (s6 * sh);
    let s7 = scaleA[ty + 7u * acrossM];
    low7 += vec4<f32>(l7) * (s7 * sl);
    high7 += vec4<f32>(h7) * (s7 * sh);
    workgroupBarrier();
  }

  // The array is for this loop only: indexed earlier, the sums would not stay in registers.
  let sums = array<vec4<f32>, 16>(
    low0, high0, low1, high1, low2, high2, low3, high3, low4, high4, low5, high5, low6, high6, low7, high7,
  );
  for (var i = 0u; i < 64u; i++) {
    emit(split, firstRow + ty + (i / 8u) * acrossM, firstColumn + tx + (i % 8u) * acrossN, sums[i / 4u][i % 4u]);
  }
}
