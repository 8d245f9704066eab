// Group norm as one multiply-add per image and channel, for the product that reads it (operand/*_affine.wgsl):
// affine [N, C / 4, (scale, shift)] with scale = weight / sqrt(var + eps), shift = bias − mean · scale.
// Grid: one thread per 4 channels of an image, 64 per group. Source: Wu & He 2018, eq. 1 and 6.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // N · C / 4
  pixels: u32, // P
  channels: u32, // C, a multiple of 4
  groups: u32,
  chunks: u32,
  chunkPixels: u32, // pixels per chunk, the last may have fewer
  eps: f32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> affine: array<f32>;

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
  let vectors = params.channels / 4u;
  let n = i / vectors;
  for (var j = 0u; j < 4u; j++) {
    let c = (i % vectors) * 4u + j;
    let moments = groupMoments(n, c);
    let scale = weight[c] / sqrt(moments.variance + params.eps);
    affine[i * 8u + j] = scale;
    affine[i * 8u + 4u + j] = bias[c] - moments.mean * scale;
  }
}
