// y[c, p] = colour of pixel p over white, 0..1: (v a + 255 (255 − a)) / 65025 of the bytes v and a, correctly rounded, so
// that every device gives what a host computes in double precision. x: RGBA, not premultiplied, one word a pixel.
// Grid: one thread per pixel, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // pixels
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

const WHOLE = 65025u;

// n / 65025 for n of 0..65025: division by 16 bits at a time (WGSL's own may be 2.5 units off), then rounded to 24 bits.
// A tie cannot occur, since 65025 is odd.
fn share(n: u32) -> f32 {
  if (n == 0u || n == WHOLE) {
    return f32(n / WHOLE);
  }
  let first = n << 16u;
  let second = (first % WHOLE) << 16u;
  let third = (second % WHOLE) << 16u;
  let high = ((first / WHOLE) << 16u) | (second / WHOLE);
  // At most 15: n / 65025 is at least 2^-16.
  let zeros = countLeadingZeros(high);
  let bits = (high << zeros) | ((third / WHOLE) >> (16u - zeros));
  let mantissa = (bits >> 8u) + ((bits >> 7u) & 1u);
  // A mantissa that was rounded up to 2^24 carries into the exponent.
  return bitcast<f32>(((126u - zeros) << 23u) + mantissa - 0x800000u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let p = groupIndex(workgroup, groups) * 256u + local;
  if (p >= params.count) {
    return;
  }
  let rgba = x[p];
  let alpha = rgba >> 24u;
  for (var c = 0u; c < 3u; c++) {
    let value = (rgba >> (8u * c)) & 0xffu;
    y[c * params.count + p] = share(value * alpha + 255u * (255u - alpha));
  }
}
