// Q5_0: per 32 elements 4 words of low nibbles and 1 word of fifth bits; binary16 scale per 32, two per word.
// w = (q - 16) * d.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn fiveBits4(e: u32) -> vec4<f32> {
  let block = (e / 32u) * 5u;
  let within = e & 31u;
  let low = quants[block + within / 8u] >> (4u * (e & 4u));
  let high = quants[block + 4u] >> within;
  let codes = ((vec4<u32>(low) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u))
    | (((vec4<u32>(high) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) << vec4<u32>(4u));
  return vec4<f32>(codes);
}
fn halfScale(index: u32) -> f32 {
  return halfToFloat((scales[index / 2u] >> (16u * (index & 1u))) & 0xffffu);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  return (fiveBits4(e) - vec4<f32>(16.0)) * halfScale(e / 32u);
}
