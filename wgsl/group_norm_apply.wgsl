// y = f((x − mean) / sqrt(var + eps) · weight + bias): second half of group norm. Every thread merges the chunks
// (lib/group_moments.wgsl): they are few and stay in the cache.
// x, y [N, P, C]. Grid: one thread per 4 channels of a pixel (or 1 where a group's width is no multiple of 4), 256 per
// group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // threads with work: elements / step
  step: u32, // channels per thread, 4 or 1
  pixels: u32, // P
  channels: u32, // C
  groups: u32,
  chunks: u32,
  chunkPixels: u32, // pixels per chunk, the last may have fewer
  activation: u32, // UNARY_CODES, 0 is none
  inPlace: u32, // 1: x lies in y
  eps: f32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

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
  let first = i * params.step;
  let c = first % params.channels;
  let n = first / (params.channels * params.pixels);
  let moments = groupMoments(n, c);
  let scale = 1.0 / sqrt(moments.variance + params.eps);
  for (var j = 0u; j < params.step; j++) {
    let value = (sourceAt(first + j) - moments.mean) * scale * weight[c + j] + bias[c + j];
    y[first + j] = activate(params.activation, value);
  }
}
