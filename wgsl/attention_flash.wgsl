// y[n, i, h] = Σ_j softmax_j(scale · q[n, i, h] · k[n, j, h'] + bias) v[n, j, h'], h' = h · kvHeads / heads.
// As attention_plain.wgsl, in tiles: 32 queries by 32 keys per step, online softmax in f32, sums in registers. D is a
// multiple of 4; a group makes up to 128 of the D outputs and computes the scores for itself when D is larger.
// Grid: N x heads x ceil(D / 128) x ceil(Tq / 32) groups of 64 threads, queries first. Thread (tx, ty) of 8 x 8 owns the
// queries ty + 8i and, of the outputs, the vectors tx + 8j. Source: Dao 2023 (FlashAttention-2), algorithm 1.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  total: u32, // groups with work
  queries: u32, // Tq
  keys: u32, // Tk
  heads: u32,
  kvHeads: u32,
  width: u32, // D
  causal: u32,
  hasBias: u32,
  biasN: u32, // strides of bias in elements, 0 where it broadcasts
  biasH: u32,
  biasQ: u32,
  scale: f32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> k: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// Rows are one vector (one number) longer than needed, so that neighbours fall into different banks.
var<workgroup> tileQ: array<vec4<f32>, 160>;
var<workgroup> tileK: array<vec4<f32>, 160>;
var<workgroup> scores: array<f32, 1056>;

// Finite: fast-math compilers may assume that no infinities occur.
const HIDDEN = -1e30;

fn rowMaximum(row: u32) -> f32 {
  var highest = HIDDEN;
  for (var j = 0u; j < 32u; j++) {
    highest = max(highest, scores[row * 33u + j]);
  }
  return highest;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = groupIndex(workgroup, groups);
  // Surplus groups repeat the last one; both write the same.
  let at = min(index, params.total - 1u);
  let queryTiles = (params.queries + 31u) / 32u;
  let columnBlocks = (params.width + 127u) / 128u;
  let firstQuery = (at % queryTiles) * 32u;
  let block = (at / queryTiles) % columnBlocks;
  let head = (at / (queryTiles * columnBlocks)) % params.heads;
  let n = at / (queryTiles * columnBlocks * params.heads);
  let kvHead = head / (params.heads / params.kvHeads);
  let vectors = params.width / 4u;
  let qStride = params.heads * vectors;
  let kvStride = params.kvHeads * vectors;
  let qBase = n * params.queries * qStride + head * vectors;
  let kvBase = n * params.keys * kvStride + kvHead * vectors;
  let tx = local % 8u;
  let ty = local / 8u;
  let column = block * 32u + tx;

  var highest0 = HIDDEN;
  var total0 = 0.0;
  var out00 = vec4<f32>(0.0);
  var out01 = vec4<f32>(0.0);
  var out02 = vec4<f32>(0.0);
  var out03 = vec4<f32>(0.0);
  var highest1 = HIDDEN;
  var total1 = 0.0;
  var out10 = vec4<f32>(0.0);
  var out11 = vec4<f32>(0.0);
  var out12 = vec4<f32>(0.0);
  var out13 = vec4<f32>(0.0);
  var highest2 = HIDDEN;
  var total2 = 0.0;
  var out20 = vec4<f32>(0.0);
  var out21 = vec4<f32>(0.0);
  var out22 = vec4<f32>(0.0);
  var out23 = vec4<f32>(0.0);
  var highest3 = HIDDEN;
  var total3 = 0.0;
  var out30 = vec4<f32>(0.0);
  var out31 = vec4<f32>(0.0);
  var out32 = vec4<f32>(0.0);
  var out33 = vec4<f32>(0.0);

  var keys = params.keys;
  if (params.causal != 0u) {
    keys = min(keys, firstQuery + 32u);
  }
  for (var firstKey = 0u; firstKey < keys; firstKey += 32u) {
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    for (var d = 0u; d < vectors; d += 4u) {
      workgroupBarrier();
      for (var i = local; i < 128u; i += 64u) {
        let row = i / 4u;
        let part = d + i % 4u;
        let inside = part < vectors;
        let query = min(firstQuery + row, params.queries - 1u);
        let key = min(firstKey + row, params.keys - 1u);
        let safe = min(part, vectors - 1u);
        tileQ[row * 5u + i % 4u] = select(vec4<f32>(0.0), q[qBase + query * qStride + safe], inside);
        tileK[row * 5u + i % 4u] = select(vec4<f32>(0.0), k[kvBase + key * kvStride + safe], inside);
      }
      workgroupBarrier();
      for (var part = 0u; part < 4u; part++) {
        let b = tx * 5u + part;
        let columns = mat4x4<f32>(tileK[b], tileK[b + 40u], tileK[b + 80u], tileK[b + 120u]);
        let a = ty * 5u + part;
        s0 += tileQ[a + 0u] * columns;
        s1 += tileQ[a + 40u] * columns;
        s2 += tileQ[a + 80u] * columns;
        s3 += tileQ[a + 120u] * columns;
      }
    }
    // Keys outside and, with causal, later ones are hidden; the same test gives them a weight of exactly 0 below.
    let keyIndex = vec4<u32>(firstKey + tx) + vec4<u32>(0u, 8u, 16u, 24u);
    let query0 = min(firstQuery + ty + 0u, params.queries - 1u);
    let limit0 = select(params.keys, min(params.keys, query0 + 1u), params.causal != 0u);
    let seen0 = keyIndex < vec4<u32>(limit0);
    s0 = s0 * params.scale;
    let query1 = min(firstQuery + ty + 8u, params.queries - 1u);
    let limit1 = select(params.keys, min(params.keys, query1 + 1u), params.causal != 0u);
    let seen1 = keyIndex < vec4<u32>(limit1);
    s1 = s1 * params.scale;
    let query2 = min(firstQuery + ty + 16u, params.queries - 1u);
    let limit2 = select(params.keys, min(params.keys, query2 + 1u), params.causal != 0u);
    let seen2 = keyIndex < vec4<u32>(limit2);
    s2 = s2 * params.scale;
    let query3 = min(firstQuery + ty + 24u, params.queries - 1u);
    let limit3 = select(params.keys, min(params.keys, query3 + 1u), params.causal != 0u);
    let seen3 = keyIndex < vec4<u32>(limit3);
    s3 = s3 * params.scale;
    if (params.hasBias != 0u) {
      let last = vec4<u32>(params.keys - 1u);
      let safe = min(keyIndex, last);
      let bias0 = n * params.biasN + head * params.biasH + query0 * params.biasQ;
      s0 += vec4<f32>(bias[bias0 + safe.x], bias[bias0 + safe.y], bias[bias0 + safe.z], bias[bias0 + safe.w]);
      let bias1 = n * params.biasN + head * params.biasH + query1 * params.biasQ;
      s1 += vec4<f32>(bias[bias1 + safe.x], bias[bias1 + safe.y], bias[bias1 + safe.z], bias[bias1 + safe.w]);
      let bias2 = n * params.biasN + head * params.biasH + query2 * params.biasQ;
      s2 += vec4<f32>(bias[bias2 + safe.x], bias[bias2 + safe.y], bias[bias2 + safe.z], bias[bias2 + safe.w]);
      let bias3 = n * params.biasN + head * params.biasH + query3 * params.biasQ;
      s3 += vec4<f32>(bias[bias3 + safe.x], bias[bias3 + safe.y], bias[bias3 + safe.z], bias[bias3 + safe.w]);
    }
    s0 = select(vec4<f32>(HIDDEN), max(s0, vec4<f32>(HIDDEN)), seen0);
    s1 = select(vec4<f32>(HIDDEN), max(s1, vec4<f32>(HIDDEN)), seen1);
    s2 = select(vec4<f32>(HIDDEN), max(s2, vec4<f32>(HIDDEN)), seen2);
    s3 = select(vec4<f32>(HIDDEN), max(s3, vec4<f32>(HIDDEN)), seen3);
    scores[(ty + 0u) * 33u + tx + 0u] = s0.x;
    scores[(ty + 0u) * 33u + tx + 8u] = s0.y;
    scores[(ty + 0u) * 33u + tx + 16u] = s0.z;
    scores[(ty + 0u) * 33u + tx + 24u] = s0.w;
    scores[(ty + 8u) * 33u + tx + 0u] = s1.x;
    scores[(ty + 8u) * 33u + tx + 8u] = s1.y;
    scores[(ty + 8u) * 33u + tx + 16u] = s1.z;
    scores[(ty + 8u) * 33u + tx + 24u] = s1.w;
    scores[(ty + 16u) * 33u + tx + 0u] = s2.x;
    scores[(ty + 16u) * 33u + tx + 8u] = s2.y;
    scores[(ty + 16u) * 33u + tx + 16u] = s2.z;
    scores[(ty + 16u) * 33u + tx + 24u] = s2.w;
    scores[(ty + 24u) * 33u + tx + 0u] = s3.x;
    scores[(ty + 24u) * 33u + tx + 8u] = s3.y;
    scores[(ty + 24u) * 33u + tx + 16u] = s3.z;
    scores[(ty + 24u) * 33u + tx + 24u] = s3.w;
    workgroupBarrier();
    let above0 = max(highest0, rowMaximum(ty + 0u));
    let keep0 = exp(highest0 - above0);
    highest0 = above0;
    let above1 = max(highest1, rowMaximum(ty + 8u));
    let keep1 = exp(highest1 - above1);
    highest1 = above1;
    let above2 = max(highest2, rowMaximum(ty + 16u));
    let keep2 = exp(highest2 - above2);
    highest2 = above2;
    let above3 = max(highest3, rowMaximum(ty + 24u));
    let keep3 = exp(highest3 - above3);
    highest3 = above3;
    workgroupBarrier();
    s0 = select(vec4<f32>(0.0), exp(s0 - vec4<f32>(above0)), seen0);
    scores[(ty + 0u) * 33u + tx + 0u] = s0.x;
    scores[(ty + 0u) * 33u + tx + 8u] = s0.y;
    scores[(ty + 0u) * 33u + tx + 16u] = s0.z;
    scores[(ty + 0u) * 33u + tx + 24u] = s0.w;
    s1 = select(vec4<f32>(0.0), exp(s1 - vec4<f32>(above1)), seen1);
    scores[(ty + 8u) * 33u + tx + 0u] = s1.x;
    scores[(ty + 8u) * 33u + tx + 8u] = s1.y;
    scores[(ty + 8u) * 33u + tx + 16u] = s1.z;
    scores[(ty + 8u) * 33u + tx + 24u] = s1.w;
    s2 = select(vec4<f32>(0.0), exp(s2 - vec4<f32>(above2)), seen2);
    scores[(ty + 16u) * 33u + tx + 0u] = s2.x;
    scores[(ty + 16u) * 33u + tx + 8u] = s2.y;
    scores[(ty + 16u) * 33u + tx + 16u] = s2.z;
    scores[(ty + 16u) * 33u + tx + 24u] = s2.w;
    s3 = select(vec4<f32>(0.0), exp(s3 - vec4<f32>(above3)), seen3);
    scores[(ty + 24u) * 33u + tx + 0u] = s3.x;
    scores[(ty + 24u) * 33u + tx + 8u] = s3.y;
    scores[(ty + 24u) * 33u + tx + 16u] = s3.z;
    scores[(ty + 24u) * 33u + tx + 24u] = s3.w;
    workgroupBarrier();
    total0 *= keep0;
    out00 *= keep0;
    out01 *= keep0;
    out02 *= keep0;
    out03 *= keep0;
    total1 *= keep1;
    out10 *= keep1;
    out11 *= keep1;
    out12 *= keep1;
    out13 *= keep1;
    total2 *= keep2;
    out20 *= keep2;
    out21 *= keep2;
    out22 *= keep2;
    out23 *= keep2;
    total3 *= keep3;
    out30 *= keep3;
    out31 *= keep3;
    out32 *= keep3;
    out33 *= keep3;
    let stop = min(32u, params.keys - firstKey);
    for (var j = 0u; j < stop; j++) {
      let source = kvBase + (firstKey + j) * kvStride;
      let v0 = v[source + min(column + 0u, vectors - 1u)];
      let v1 = v[source + min(column + 8u, vectors - 1u)];
      let v2 = v[source + min(column + 16u, vectors - 1u)];
      let v3 = v[source + min(column + 24u, vectors - 1u)];
      let p0 = scores[(ty + 0u) * 33u + j];
      total0 += p0;
      out00 += p0 * v0;
      out01 += p0 * v1;
      out02 += p0 * v2;
      out03 += p0 * v3;
      let p1 = scores[(ty + 8u) * 33u + j];
      total1 += p1;
      out10 += p1 * v0;
      out11 += p1 * v1;
      out12 += p1 * v2;
      out13 += p1 * v3;
      let p2 = scores[(ty + 16u) * 33u + j];
      total2 += p2;
      out20 += p2 * v0;
      out21 += p2 * v1;
      out22 += p2 * v2;
      out23 += p2 * v3;
      let p3 = scores[(ty + 24u) * 33u + j];
      total3 += p3;
      out30 += p3 * v0;
      out31 += p3 * v1;
      out32 += p3 * v2;
      out33 += p3 * v3;
    }
  }
  let width = min(vectors, block * 32u + 32u);
  let sums = array<vec4<f32>, 16>(
    out00, out01, out02, out03,
    out10, out11, out12, out13,
    out20, out21, out22, out23,
    out30, out31, out32, out33,
  );
  let totals = array<f32, 4>(total0, total1, total2, total3);
  for (var i = 0u; i < 16u; i++) {
    let query = firstQuery + ty + 8u * (i / 4u);
    let vector = column + 8u * (i % 4u);
    if (query < params.queries && vector < width) {
      y[qBase + query * qStride + vector] = sums[i] / totals[i / 4u];
    }
  }
}
