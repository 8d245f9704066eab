// y[n, i, h] = Σ_j softmax_j(scale · q[n, i, h] · k[n, j, h'] + bias) v[n, j, h'], h' = h · kvHeads / heads.
// As attention_plain.wgsl, in tiles: 32 queries by 32 keys per step, online softmax in f32, sums in registers. D is a
// multiple of 4; a group makes up to 32 · VECTORS of the D outputs and computes the scores for itself when D is larger.
// Scores, row maxima and the sums of a query come from fragments in attention/.
// Grid: N x heads x ceil(D / 32 / VECTORS) x ceil(Tq / 32) groups of 64 threads, queries first. Thread (tx, ty) of 8 x 8
// owns the queries ty + 8i and, of the outputs, the vectors tx + 8j. Source: Dao 2023 (FlashAttention-2), algorithm 1.
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

// Output vectors per thread, 1 to 4: no more than the heads are wide.
override VECTORS: u32 = 4u;

// Rows are one number longer than needed, so that neighbours fall into different banks.
var<workgroup> weights: array<f32, 1056>;

// Finite: fast-math compilers may assume that no infinities occur.
const HIDDEN = -1e30;

// Where the group works: scores are hidden by it.
struct Place {
  n: u32,
  head: u32,
  keys: vec4<u32>,
}

fn seenKeys(place: Place, query: u32) -> vec4<bool> {
  let limit = select(params.keys, min(params.keys, query + 1u), params.causal != 0u);
  return place.keys < vec4<u32>(limit);
}

// Scores with scale and bias; hidden ones lie at HIDDEN, and `weighScores` gives them a weight of exactly 0.
fn finishScores(place: Place, query: u32, products: vec4<f32>) -> vec4<f32> {
  let row = min(query, params.queries - 1u);
  var s = products * params.scale;
  if (params.hasBias != 0u) {
    let at = vec4<u32>(place.n * params.biasN + place.head * params.biasH + row * params.biasQ)
      + min(place.keys, vec4<u32>(params.keys - 1u));
    s += vec4<f32>(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
  }
  return select(vec4<f32>(HIDDEN), max(s, vec4<f32>(HIDDEN)), seenKeys(place, row));
}

// Writes the weights of a row and shrinks what the query has so far to the new maximum.
fn weighScores(own: ptr<function, Query>, place: Place, query: u32, row: u32, tx: u32, s: vec4<f32>, highest: f32) {
  let above = max((*own).highest, highest);
  let keep = exp((*own).highest - above);
  (*own).highest = above;
  (*own).total *= keep;
  (*own).o0 *= keep;
  (*own).o1 *= keep;
  (*own).o2 *= keep;
  (*own).o3 *= keep;
  let seen = seenKeys(place, min(query, params.queries - 1u));
  let p = select(vec4<f32>(0.0), exp(s - vec4<f32>(above)), seen);
  let at = row * 33u + tx;
  weights[at] = p.x;
  weights[at + 8u] = p.y;
  weights[at + 16u] = p.z;
  weights[at + 24u] = p.w;
}

// 16 numbers of a row from vector d on; zeros beyond the head.
fn runAt(isKey: bool, base: u32, d: u32, vectors: u32) -> mat4x4<f32> {
  return mat4x4<f32>(
    vectorAt(isKey, base, d, vectors),
    vectorAt(isKey, base, d + 1u, vectors),
    vectorAt(isKey, base, d + 2u, vectors),
    vectorAt(isKey, base, d + 3u, vectors),
  );
}
fn vectorAt(isKey: bool, base: u32, d: u32, vectors: u32) -> vec4<f32> {
  if (d >= vectors) {
    return vec4<f32>(0.0);
  }
  if (isKey) {
    return k[base + d];
  }
  return q[base + d];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  // Surplus groups repeat the last one; both write the same.
  let at = min(groupIndex(workgroup, groups), params.total - 1u);
  let vectors = params.width / 4u;
  let perGroup = 8u * VECTORS;
  let queryTiles = (params.queries + 31u) / 32u;
  let columnBlocks = (vectors + perGroup - 1u) / perGroup;
  let firstQuery = (at % queryTiles) * 32u;
  let block = (at / queryTiles) % columnBlocks;
  let head = (at / (queryTiles * columnBlocks)) % params.heads;
  let n = at / (queryTiles * columnBlocks * params.heads);
  let qStride = params.heads * vectors;
  let kvStride = params.kvHeads * vectors;
  let qBase = n * params.queries * qStride + head * vectors;
  let kvBase = n * params.keys * kvStride + (head / (params.heads / params.kvHeads)) * vectors;
  let tx = local % 8u;
  let ty = local / 8u;
  let query = firstQuery + ty;
  let column = block * perGroup + tx;
  let last = vectors - 1u;
  var own0 = emptyQuery();
  var own1 = emptyQuery();
  var own2 = emptyQuery();
  var own3 = emptyQuery();
  var keys = params.keys;
  if (params.causal != 0u) {
    keys = min(keys, firstQuery + 32u);
  }
  for (var firstKey = 0u; firstKey < keys; firstKey += 32u) {
    // Each thread stages one run: the first half queries, the second keys.
    let isKey = local >= 32u;
    let queryRow = qBase + min(firstQuery + local % 32u, params.queries - 1u) * qStride;
    let keyRow = kvBase + min(firstKey + local % 32u, params.keys - 1u) * kvStride;
    var s = mat4x4<f32>();
    for (var d = 0u; d < vectors; d += 4u) {
      workgroupBarrier();
      stageRun(local, runAt(isKey, select(queryRow, keyRow, isKey), d, vectors));
      workgroupBarrier();
      s += scoreBlock(tx, ty);
    }
    let place = Place(n, head, vec4<u32>(firstKey + tx) + vec4<u32>(0u, 8u, 16u, 24u));
    s = mat4x4<f32>(
      finishScores(place, query, s[0]),
      finishScores(place, query + 8u, s[1]),
      finishScores(place, query + 16u, s[2]),
      finishScores(place, query + 24u, s[3]),
    );
    let highest = rowMaxima(tx, ty, s);
    weighScores(&own0, place, query, ty, tx, s[0], highest.x);
    weighScores(&own1, place, query + 8u, ty + 8u, tx, s[1], highest.y);
    weighScores(&own2, place, query + 16u, ty + 16u, tx, s[2], highest.z);
    weighScores(&own3, place, query + 24u, ty + 24u, tx, s[3], highest.w);
    workgroupBarrier();
    let stop = min(32u, params.keys - firstKey);
    for (var j = 0u; j < stop; j++) {
      let source = kvBase + (firstKey + j) * kvStride;
      let values = Values(
        v[source + min(column, last)],
        v[source + min(column + 8u * min(1u, VECTORS - 1u), last)],
        v[source + min(column + 8u * min(2u, VECTORS - 1u), last)],
        v[source + min(column + 8u * min(3u, VECTORS - 1u), last)],
      );
      let row = ty * 33u + j;
      addValues(&own0, weights[row], values);
      addValues(&own1, weights[row + 264u], values);
      addValues(&own2, weights[row + 528u], values);
      addValues(&own3, weights[row + 792u], values);
    }
  }
  let end = min(vectors, block * perGroup + perGroup);
  let rowAt = qBase + query * qStride;
  storeQuery(own0, query, rowAt, column, end);
  storeQuery(own1, query + 8u, rowAt + 8u * qStride, column, end);
  storeQuery(own2, query + 16u, rowAt + 16u * qStride, column, end);
  storeQuery(own3, query + 24u, rowAt + 24u * qStride, column, end);
}
