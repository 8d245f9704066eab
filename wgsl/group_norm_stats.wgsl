// Count, mean and sum of squared deviations of one chunk of pixels of one group of channels: first half of group norm.
// x [N, P, C] (P pixels); stats [N · groups, chunks, 2] = (mean, squares). Two passes over the chunk: a plain sum of
// squares loses everything where the mean is large against the deviation.
// Grid: N · groups · chunks groups of 64 threads. Source: Wu & He 2018, eq. 1.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  total: u32, // N · groups · chunks
  pixels: u32, // P
  channels: u32, // C
  groups: u32,
  chunks: u32,
  chunkPixels: u32, // pixels per chunk, the last may have fewer
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = groupIndex(workgroup, groups);
  // Groups beyond the last still take part in the barriers.
  let at = min(index, params.total - 1u);
  let chunk = at % params.chunks;
  let group = (at / params.chunks) % params.groups;
  let n = at / (params.chunks * params.groups);
  let width = params.channels / params.groups;
  let firstPixel = chunk * params.chunkPixels;
  let pixels = min(params.chunkPixels, params.pixels - firstPixel);
  let count = pixels * width;
  let base = (n * params.pixels + firstPixel) * params.channels + group * width;
  var sum = 0.0;
  for (var i = local; i < count; i += 64u) {
    sum += x[base + (i / width) * params.channels + i % width];
  }
  let mean = sumOver64(local, sum) / f32(count);
  var squares = 0.0;
  for (var i = local; i < count; i += 64u) {
    let centred = x[base + (i / width) * params.channels + i % width] - mean;
    squares += centred * centred;
  }
  let total = sumOver64(local, squares);
  if (local == 0u && index < params.total) {
    stats[at] = vec2<f32>(mean, total);
  }
}
