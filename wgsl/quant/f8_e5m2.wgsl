// fp8 E5M2 with one f32 scale per row, rows filled up to a multiple of 4.
// w = half(code << 8) * scale[row].
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let word = quants[e / 4u];
  return vec4<f32>(
    halfToFloat((word & 255u) << 8u),
    halfToFloat(((word >> 8u) & 255u) << 8u),
    halfToFloat(((word >> 16u) & 255u) << 8u),
    halfToFloat((word >> 24u) << 8u),
  ) * scales[row];
}
