// y[n, h, w, c] = mean of x over a size x size window. x [N, H, W, C], y [N, H/size, W/size, C].
// Grid: one thread per output, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // outputs
  channels: u32,
  outHeight: u32,
  outWidth: u32,
  size: u32, // window and stride in pixels
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

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
  let c = i % params.channels;
  let pixel = i / params.channels;
  let ox = pixel % params.outWidth;
  let rest = pixel / params.outWidth;
  let oy = rest % params.outHeight;
  let n = rest / params.outHeight;
  let width = params.outWidth * params.size;
  let top = (n * params.outHeight + oy) * params.size;
  var sum = 0.0;
  for (var dy = 0u; dy < params.size; dy++) {
    for (var dx = 0u; dx < params.size; dx++) {
      sum += x[((top + dy) * width + ox * params.size + dx) * params.channels + c];
    }
  }
  y[i] = sum / f32(params.size * params.size);
}
