// Mean and variance of a group of channels from the chunks of group_norm_stats.wgsl. Source: Chan et al. 1979, eq. 2.1.
// Needs params.groups, channels, pixels, chunks, chunkPixels.
@group(0) @binding(3) var<storage, read_write> stats: array<vec2<f32>>;

struct Moments {
  mean: f32,
  variance: f32,
}
fn groupMoments(n: u32, c: u32) -> Moments {
  let width = params.channels / params.groups;
  let base = (n * params.groups + c / width) * params.chunks;
  var mean = 0.0;
  var squares = 0.0;
  var seen = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    let pixels = min(params.chunkPixels, params.pixels - chunk * params.chunkPixels);
    let count = f32(pixels * width);
    let part = stats[base + chunk];
    let delta = part.x - mean;
    let both = seen + count;
    mean += delta * (count / both);
    squares += part.y + delta * delta * (seen * count / both);
    seen = both;
  }
  return Moments(mean, squares / seen);
}
