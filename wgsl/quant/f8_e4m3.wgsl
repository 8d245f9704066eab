// fp8 E4M3FN with one f32 scale per row, rows filled up to a multiple of 4.
// w = code * scale[row]; s eeee mmm, bias 7, NaN codes are not expected in weights.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

fn fp8(code: u32) -> f32 {
  let magnitude = code & 0x7fu;
  // Exponent rebased from 7 to 127; subnormals are mantissa * 2^-9.
  let normal = bitcast<f32>((magnitude << 20u) + (120u << 23u));
  let value = select(normal, f32(magnitude) * 0.001953125, magnitude < 8u);
  return select(value, -value, (code & 0x80u) != 0u);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let word = quants[e / 4u];
  return vec4<f32>(fp8(word & 255u), fp8((word >> 8u) & 255u), fp8((word >> 16u) & 255u), fp8(word >> 24u)) * scales[row];
}
