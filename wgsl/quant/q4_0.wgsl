// Q4_0: 8 nibbles per word in element order; binary16 scale per 32, two per word.
// w = (q - 8) * d.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn nibbles4(e: u32) -> vec4<f32> {
  let word = quants[e / 8u] >> (4u * (e & 4u));
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
}
fn halfScale(index: u32) -> f32 {
  return halfToFloat((scales[index / 2u] >> (16u * (index & 1u))) & 0xffffu);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  return (nibbles4(e) - vec4<f32>(8.0)) * halfScale(e / 32u);
}
