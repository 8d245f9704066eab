// y[n, i, h] = Σ_j softmax_j(scale · q[n, i, h] · k[n, j, h'] + bias) v[n, j, h'], h' = h · kvHeads / heads.
// q, y [N, Tq, heads·D], k, v [N, Tk, kvHeads·D]. Online softmax in f32 (Milakov & Gimelshein 2018): memory does not
// grow with the tokens. Each thread owns 16 of the D outputs of one query and computes the scores for itself: no shared
// memory, the version that must be right everywhere.
// Grid: one thread per (n, query, head, 16 outputs), 64 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // threads with work
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
@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read_write> k: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn values4(at: u32, left: u32) -> vec4<f32> {
  let raw = vec4<f32>(v[at], v[at + 1u], v[at + 2u], v[at + 3u]);
  return select(vec4<f32>(0.0), raw, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 64u + local;
  if (i >= params.count) {
    return;
  }
  let parts = (params.width + 15u) / 16u;
  let part = i % parts;
  let head = (i / parts) % params.heads;
  let query = (i / (parts * params.heads)) % params.queries;
  let n = i / (parts * params.heads * params.queries);
  let kvHead = head / (params.heads / params.kvHeads);
  let qBase = (n * params.queries + query) * params.heads * params.width + head * params.width;
  let kvStride = params.kvHeads * params.width;
  let kvBase = n * params.keys * kvStride + kvHead * params.width;
  let biasBase = n * params.biasN + head * params.biasH + query * params.biasQ;
  let first = part * 16u;
  let left = params.width - first;
  var keys = params.keys;
  if (params.causal != 0u) {
    keys = min(keys, query + 1u);
  }
  // Finite: fast-math compilers may assume that no infinities occur.
  var highest = -1e30;
  var total = 0.0;
  var sum0 = vec4<f32>(0.0);
  var sum1 = vec4<f32>(0.0);
  var sum2 = vec4<f32>(0.0);
  var sum3 = vec4<f32>(0.0);
  for (var j = 0u; j < keys; j++) {
    let base = kvBase + j * kvStride;
    var score = 0.0;
    for (var d = 0u; d < params.width; d++) {
      score += q[qBase + d] * k[base + d];
    }
    score *= params.scale;
    if (params.hasBias != 0u) {
      score = max(score + bias[biasBase + j], -1e30);
    }
    let above = max(highest, score);
    let keep = exp(highest - above);
    let weight = exp(score - above);
    highest = above;
    total = total * keep + weight;
    let at = base + first;
    sum0 = sum0 * keep + weight * values4(at, left);
    if (left > 4u) {
      sum1 = sum1 * keep + weight * values4(at + 4u, left - 4u);
    }
    if (left > 8u) {
      sum2 = sum2 * keep + weight * values4(at + 8u, left - 8u);
    }
    if (left > 12u) {
      sum3 = sum3 * keep + weight * values4(at + 12u, left - 12u);
    }
  }
  let scale = 1.0 / total;
  for (var d = 0u; d < min(16u, left); d++) {
    let quarter = d / 4u;
    var value = sum0[d % 4u];
    if (quarter == 1u) {
      value = sum1[d % 4u];
    } else if (quarter == 2u) {
      value = sum2[d % 4u];
    } else if (quarter == 3u) {
      value = sum3[d % 4u];
    }
    y[qBase + first + d] = value * scale;
  }
}
