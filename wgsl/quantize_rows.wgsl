// Activations for gemm_integer.wgsl: x [M, K] as signed bytes, one scale per 32: code = round(x / d), d = peak / 127.
// codes [M, K / 4], 4 per word; scales [M, K / 32] f32. K a multiple of 32.
// Grid: one thread per 32 numbers, 64 per group. Source: ggml's Q8_1 without the sum.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // numbers / 32
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let block = groupIndex(workgroup, groups) * 64u + local;
  if (block >= params.count) {
    return;
  }
  var peaks = vec4<f32>(0.0);
  for (var i = 0u; i < 8u; i++) {
    peaks = max(peaks, abs(x[block * 8u + i]));
  }
  let peak = max(max(peaks.x, peaks.y), max(peaks.z, peaks.w));
  let d = peak / 127.0;
  let inverse = select(0.0, 127.0 / peak, peak > 0.0);
  for (var i = 0u; i < 8u; i++) {
    codes[block * 8u + i] = pack4xI8(vec4<i32>(round(x[block * 8u + i] * inverse)));
  }
  scales[block] = d;
}
