// y[n, i, h] = Σ_j softmax_j(scale · q[n, i, h] · k[n, j, h'] + bias) v[n, j, h'], h' = h · kvHeads / heads.
// q, y [N, Tq, heads·D], k, v [N, Tk, kvHeads·D], from a fragment by number or by vectors. Online softmax in f32 (Milakov & Gimelshein 2018): memory does not
// grow with the tokens. Each thread owns 64 of the D outputs of one query and computes the scores for itself, four keys at
// a time: no shared memory, the version that must be right everywhere.
// Grid: one thread per (n, query, head, 64 outputs), 64 per group.
// Key by key with 16 outputs a thread, scores of wide heads were computed up to eight times (width 128).
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
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;

const OWN = 64u; // outputs of a thread

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
  let parts = (params.width + OWN - 1u) / OWN;
  let part = i % parts;
  let head = (i / parts) % params.heads;
  let query = (i / (parts * params.heads)) % params.queries;
  let n = i / (parts * params.heads * params.queries);
  let kvHead = head / (params.heads / params.kvHeads);
  let qBase = (n * params.queries + query) * params.heads * params.width + head * params.width;
  let kvStride = params.kvHeads * params.width;
  let kvBase = n * params.keys * kvStride + kvHead * params.width;
  let biasBase = n * params.biasN + head * params.biasH + query * params.biasQ;
  let first = part * OWN;
  let left = min(OWN, params.width - first);
  var keys = params.keys;
  if (params.causal != 0u) {
    keys = min(keys, query + 1u);
  }
  // Finite: fast-math compilers may assume that no infinities occur.
  var highest = -1e30;
  var total = 0.0;
  var sums = array<vec4<f32>, OWN / 4u>();
  for (var j = 0u; j < keys; j += 4u) {
    let present = vec4<u32>(j) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(keys);
    let rows = min(vec4<u32>(j) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(keys - 1u));
    let bases = vec4<u32>(kvBase) + rows * kvStride;
    var scores = vec4<f32>(0.0);
    for (var d = 0u; d < params.width; d += 4u) {
      let at = bases + vec4<u32>(d);
      let rest = params.width - d;
      scores += q4(qBase + d, rest) * mat4x4<f32>(k4(at.x, rest), k4(at.y, rest), k4(at.z, rest), k4(at.w, rest));
    }
    scores *= params.scale;
    if (params.hasBias != 0u) {
      let at = vec4<u32>(biasBase) + rows;
      scores = max(scores + vec4<f32>(bias[at.x], bias[at.y], bias[at.z], bias[at.w]), vec4<f32>(-1e30));
    }
    let best = select(vec4<f32>(-1e30), scores, present);
    let above = max(highest, max(max(best.x, best.y), max(best.z, best.w)));
    let keep = exp(highest - above);
    let weights = select(vec4<f32>(0.0), exp(scores - vec4<f32>(above)), present);
    highest = above;
    total = total * keep + dot(weights, vec4<f32>(1.0));
    let starts = bases + vec4<u32>(first);
    for (var c = 0u; c < OWN / 4u; c++) {
      let at = 4u * c;
      if (at < left) {
        let values = mat4x4<f32>(
          v4(starts.x + at, left - at),
          v4(starts.y + at, left - at),
          v4(starts.z + at, left - at),
          v4(starts.w + at, left - at),
        );
        sums[c] = sums[c] * keep + values * weights;
      }
    }
  }
  let scale = 1.0 / total;
  for (var d = 0u; d < left; d += 4u) {
    store4(qBase + first + d, left - d, sums[d / 4u] * scale);
  }
}
