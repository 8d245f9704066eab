// Q8_0: 4 signed bytes per word; binary16 scale per 32, two per word.
// w = q * d.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn bytes4(e: u32) -> vec4<i32> {
  let word = quants[e / 4u];
  // Arithmetic shifts extend the sign.
  return bitcast<vec4<i32>>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u);
}
fn halfScale(index: u32) -> f32 {
  return halfToFloat((scales[index / 2u] >> (16u * (index & 1u))) & 0xffffu);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  return vec4<f32>(bytes4(e)) * halfScale(e / 32u);
}
