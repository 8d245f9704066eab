// Left operand of a convolution as implicit GEMM: row m = output pixel, k = (ky, kx, channel) with the channel count
// filled up to a multiple of 4. x is [N, H, W, C], C a multiple of 4, read as vectors.
// Each number passes silu(x · scale + shift) or only x · scale + shift, per image and channel: a group norm in the product
// that reads it. Pixels outside are 0, or wrap around (circular). Enlargement by 2 is a shift of the coordinate.
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> affine: array<vec4<f32>>;

struct Row {
  image: u32,
  n: u32,
  top: i32,
  left: i32,
}
struct KStep {
  ky: i32,
  kx: i32,
  c: u32,
}
fn rowAt(m: u32) -> Row {
  let row = min(m, params.m - 1u);
  let ox = row % params.outWidth;
  let rest = row / params.outWidth;
  let oy = rest % params.outHeight;
  let n = rest / params.outHeight;
  return Row(
    n * params.height * params.width,
    n,
    i32(oy * params.stride) - i32(params.padTop),
    i32(ox * params.stride) - i32(params.padLeft),
  );
}
fn kAt(k: u32) -> KStep {
  let tap = k / params.channelsPadded;
  let ky = tap / params.kernelWidth;
  return KStep(i32(ky), i32(tap - ky * params.kernelWidth), k - tap * params.channelsPadded);
}
fn wrap(value: i32, size: i32) -> i32 {
  let rest = value % size;
  return select(rest, rest + size, rest < 0);
}
fn loadA4(row: Row, step: KStep) -> vec4<f32> {
  let height = i32(params.height * params.upsample);
  let width = i32(params.width * params.upsample);
  var iy = row.top + step.ky;
  var ix = row.left + step.kx;
  if (params.circular != 0u) {
    iy = wrap(iy, height);
    ix = wrap(ix, width);
  }
  let inside = iy >= 0 && iy < height && ix >= 0 && ix < width && u32(step.ky) < params.kernelHeight;
  if (!inside) {
    return vec4<f32>(0.0);
  }
  let pixel = row.image + (u32(iy) / params.upsample) * params.width + u32(ix) / params.upsample;
  let at = 2u * (row.n * (params.channels / 4u) + step.c / 4u);
  let value = x[(pixel * params.channels + step.c) / 4u] * affine[at] + affine[at + 1u];
  return select(value, value / (vec4<f32>(1.0) + exp(-value)), params.prologueSilu != 0u);
}
