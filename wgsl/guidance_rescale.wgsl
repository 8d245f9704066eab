// y = share · x + factor · (guided − share · x), factor = phi · deviation(cond) / deviation(guided) + 1 − phi, deviations of
// share · x − estimate per picture from the chunks of guidance_rescale_stats.wgsl: second half of guidance rescale.
// x, guided, y [N, E]; stats [N, chunks, 2]. Nothing is rescaled where guided does not deviate.
// Grid: one thread per element, 256 per group. Source: Lin et al. 2023, eq. 14-16; merged moments: Chan et al. 1979, eq. 2.1.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // N · E
  elements: u32, // E
  chunks: u32,
  chunkElements: u32, // elements per chunk, the last may have fewer
  share: f32,
  phi: f32, // 0 to 1
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> guided: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Unit, and the sum of squared deviations in it.
fn spread(n: u32, which: u32) -> vec2<f32> {
  let base = 2u * n * params.chunks + which;
  var unit = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    unit = max(unit, stats[base + 2u * chunk].x);
  }
  let inverse = 1.0 / max(unit, 1e-37);
  var mean = 0.0;
  var squares = 0.0;
  var seen = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    let count = f32(min(params.chunkElements, params.elements - chunk * params.chunkElements));
    let part = stats[base + 2u * chunk];
    let scale = part.x * inverse;
    let delta = part.y * scale - mean;
    let both = seen + count;
    mean += delta * (count / both);
    squares += part.z * scale * scale + delta * delta * (seen * count / both);
    seen = both;
  }
  return vec2<f32>(unit, squares);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 256u + local;
  if (i >= params.count) {
    return;
  }
  let n = i / params.elements;
  let wanted = spread(n, 0u);
  let found = spread(n, 1u);
  var factor = 1.0;
  if (found.x * sqrt(found.y) > 0.0) {
    factor = params.phi * (wanted.x / found.x) * sqrt(wanted.y / found.y) + 1.0 - params.phi;
  }
  let carried = params.share * x[i];
  y[i] = carried + factor * (guided[i] - carried);
}
