// Left operand of a convolution whose quantized weight keeps the order of the file: k = (channel, ky, kx), since blocks
// run across channels and taps. The channel count times taps is a multiple of 4. x is [N, H, W, C].
@group(0) @binding(0) var<storage, read_write> x: array<f32>;

struct Row {
  image: u32,
  top: i32,
  left: i32,
}
struct KStep {
  k: u32,
}
fn rowAt(m: u32) -> Row {
  let row = min(m, params.m - 1u);
  let ox = row % params.outWidth;
  let rest = row / params.outWidth;
  let oy = rest % params.outHeight;
  let n = rest / params.outHeight;
  return Row(
    n * params.height * params.width,
    i32(oy * params.stride) - i32(params.padTop),
    i32(ox * params.stride) - i32(params.padLeft),
  );
}
fn kAt(k: u32) -> KStep {
  return KStep(k);
}
fn wrap(value: i32, size: i32) -> i32 {
  let rest = value % size;
  return select(rest, rest + size, rest < 0);
}
fn loadOne(row: Row, k: u32) -> f32 {
  let taps = params.kernelHeight * params.kernelWidth;
  let c = k / taps;
  let tap = k - c * taps;
  let ky = tap / params.kernelWidth;
  let kx = tap - ky * params.kernelWidth;
  let height = i32(params.height * params.upsample);
  let width = i32(params.width * params.upsample);
  var iy = row.top + i32(ky);
  var ix = row.left + i32(kx);
  if (params.circular != 0u) {
    iy = wrap(iy, height);
    ix = wrap(ix, width);
  }
  if (iy < 0 || iy >= height || ix < 0 || ix >= width || c >= params.channels) {
    return 0.0;
  }
  let pixel = row.image + (u32(iy) / params.upsample) * params.width + u32(ix) / params.upsample;
  return x[pixel * params.channels + c];
}
fn loadA4(row: Row, step: KStep) -> vec4<f32> {
  var values: array<f32, 4>;
  for (var i = 0u; i < 4u; i++) {
    values[i] = loadOne(row, step.k + i);
  }
  return vec4<f32>(values[0], values[1], values[2], values[3]);
}
