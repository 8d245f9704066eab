// Moments of the predictions behind two estimates of the clean latent, chunk by chunk: first half of guidance rescale.
// A prediction is share · x − estimate, up to a factor that a ratio of deviations does not see.
// x, cond, guided [N, E] (E elements per picture); stats [N, chunks, 2] = (largest magnitude m, mean / m, Σ (p − mean)² / m²) of
// cond, then of guided. In units of m nothing overflows; two passes, since one loses everything where the mean is large.
// Grid: N · chunks groups of 64 threads.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  total: u32, // N · chunks
  elements: u32, // E
  chunks: u32,
  chunkElements: u32, // elements per chunk, the last may have fewer
  share: f32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> cond: array<f32>;
@group(0) @binding(2) var<storage, read> guided: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec4<f32>>;

var<workgroup> largest: array<vec2<f32>, 64>;

fn largestOver64(local: u32, value: vec2<f32>) -> vec2<f32> {
  largest[local] = value;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      largest[local] = max(largest[local], largest[local + half]);
    }
  }
  workgroupBarrier();
  return largest[0];
}

fn predictions(at: u32) -> vec2<f32> {
  return params.share * x[at] - vec2<f32>(cond[at], guided[at]);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = groupIndex(workgroup, groups);
  // Groups beyond the last still take part in the barriers.
  let at = min(index, params.total - 1u);
  let first = (at % params.chunks) * params.chunkElements;
  let count = min(params.chunkElements, params.elements - first);
  let base = (at / params.chunks) * params.elements + first;
  var highest = vec2<f32>();
  for (var i = local; i < count; i += 64u) {
    highest = max(highest, abs(predictions(base + i)));
  }
  let unit = largestOver64(local, highest);
  // All zero, or below what a reciprocal can hold: any unit does.
  let inverse = 1.0 / max(unit, vec2<f32>(1e-37));
  var sum = vec2<f32>();
  for (var i = local; i < count; i += 64u) {
    sum += predictions(base + i) * inverse;
  }
  let mean = vec2<f32>(sumOver64(local, sum.x), sumOver64(local, sum.y)) / f32(count);
  var squares = vec2<f32>();
  for (var i = local; i < count; i += 64u) {
    let centred = predictions(base + i) * inverse - mean;
    squares += centred * centred;
  }
  let total = vec2<f32>(sumOver64(local, squares.x), sumOver64(local, squares.y));
  if (local == 0u && index < params.total) {
    stats[2u * at] = vec4<f32>(unit.x, mean.x, total.x, 0.0);
    stats[2u * at + 1u] = vec4<f32>(unit.y, mean.y, total.y, 0.0);
  }
}
