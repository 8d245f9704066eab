// y[m, n] = activation(Σ_k A[m, k] · W[n, k] + bias[n]) + residual[m, n], and partial sums when K is split.
// A from an operand fragment, W [N, K] from a quant fragment, decoded once per tile; side path and store from theirs.
// Grid: ceil(M / BM) x ceil(N / BN) x splits groups, columns first, splits last. Tiles hold 4 consecutive k per vector, rows
// one vector longer than BK so that the rows of neighbouring threads fall into different banks. Each thread owns
// 8 x 8 outputs, BM / 8 and BN / 8 apart. Source: register-tiled GEMM as in Volkov & Demmel 2008.
override BM: u32 = 64u;
override BN: u32 = 64u;
override BK: u32 = 16u;
override THREADS: u32 = 64u;

var<workgroup> tileA: array<vec4<f32>, BM * (BK / 4u + 1u)>;
var<workgroup> tileB: array<vec4<f32>, BN * (BK / 4u + 1u)>;
var<workgroup> rows: array<Row, BM>;

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
  let stride = BK / 4u + 1u;
  let perRow = BK / 4u;
  // Each split takes a whole number of K tiles; those of the side path come last.
  let mainTiles = (params.k + BK - 1u) / BK;
  let kTiles = mainTiles + (sideLength() + BK - 1u) / BK;
  let share = (kTiles + params.splits - 1u) / params.splits;
  let kEnd = min(kTiles, (split + 1u) * share);

  // Where the rows of A lie is worked out once: it takes divisions.
  for (var r = local; r < BM; r += THREADS) {
    rows[r] = rowAt(firstRow + r);
  }
  workgroupBarrier();

  // A thread loads the same position within BK for every row it stages, so one kAt serves all of them.
  let loadK = local % perRow;
  let loadRow = local / perRow;
  let rowsPerPass = THREADS / perRow;
  let acrossM = BM / 8u;
  let acrossN = BN / 8u;
  let tx = local % acrossN;
  let ty = local / acrossN;
  var low0 = vec4<f32>(0.0);
  var high0 = vec4<f32>(0.0);
  var low1 = vec4<f32>(0.0);
  var high1 = vec4<f32>(0.0);
  var low2 = vec4<f32>(0.0);
  var high2 = vec4<f32>(0.0);
  var low3 = vec4<f32>(0.0);
  var high3 = vec4<f32>(0.0);
  var low4 = vec4<f32>(0.0);
  var high4 = vec4<f32>(0.0);
  var low5 = vec4<f32>(0.0);
  var high5 = vec4<f32>(0.0);
  var low6 = vec4<f32>(0.0);
  var high6 = vec4<f32>(0.0);
  var low7 = vec4<f32>(0.0);
  var high7 = vec4<f32>(0.0);

  for (var kTile = split * share; kTile < kEnd; kTile++) {
    if (kTile < mainTiles) {
      let k = kTile * BK + loadK * 4u;
      let step = kAt(k);
      for (var r = loadRow; r < BM; r += rowsPerPass) {
        tileA[r * stride + loadK] = loadA4(rows[r], step);
      }
      for (var r = loadRow; r < BN; r += rowsPerPass) {
        let row = min(firstColumn + r, params.n - 1u);
        tileB[r * stride + loadK] = dequant4(row, row * params.rowElems + min(k, params.rowElems - 4u));
      }
    } else {
      let k = (kTile - mainTiles) * BK + loadK * 4u;
      for (var r = loadRow; r < BM; r += rowsPerPass) {
        tileA[r * stride + loadK] = sideA4(firstRow + r, k);
      }
      for (var r = loadRow; r < BN; r += rowsPerPass) {
        tileB[r * stride + loadK] = sideB4(firstColumn + r, k);
      }
    }
    workgroupBarrier();
    for (var k4 = 0u; k4 < perRow; k4++) {
      let b = tx * stride + k4;
      let pitch = acrossN * stride;
      let left = mat4x4<f32>(tileB[b], tileB[b + pitch], tileB[b + 2u * pitch], tileB[b + 3u * pitch]);
      let right = mat4x4<f32>(tileB[b + 4u * pitch], tileB[b + 5u * pitch], tileB[b + 6u * pitch], tileB[b + 7u * pitch]);
      let a = ty * stride + k4;
      let rowPitch = acrossM * stride;
      let a0 = tileA[a];
      low0 += a0 * left;
      high0 += a0 * right;
      let a1 = tileA[a + rowPitch];
      low1 += a1 * left;
      high1 += a1 * right;
      let a2 = tileA[a + 2u * rowPitch];
      low2 += a2 * left;
      high2 += a2 * right;
      let a3 = tileA[a + 3u * rowPitch];
      low3 += a3 * left;
      high3 += a3 * right;
      let a4 = tileA[a + 4u * rowPitch];
      low4 += a4 * left;
      high4 += a4 * right;
      let a5 = tileA[a + 5u * rowPitch];
      low5 += a5 * left;
      high5 += a5 * right;
      let a6 = tileA[a + 6u * rowPitch];
      low6 += a6 * left;
      high6 += a6 * right;
      let a7 = tileA[a + 7u * rowPitch];
      low7 += a7 * left;
      high7 += a7 * right;
    }
    workgroupBarrier();
  }

  // The array is for this loop only: indexed earlier, the sums would not stay in registers.
  let sums = array<vec4<f32>, 16>(
    low0, high0, low1, high1, low2, high2, low3, high3, low4, high4, low5, high5, low6, high6, low7, high7,
  );
  for (var i = 0u; i < 64u; i++) {
    let m = firstRow + ty + (i / 8u) * acrossM;
    let n = firstColumn + tx + (i % 8u) * acrossN;
    emit(split, m, n, sums[i / 4u][i % 4u]);
  }
}
