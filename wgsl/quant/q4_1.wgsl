// Q4_1: 8 nibbles per word in element order; one word (d, m) of binary16 per 32.
// w = q * d + m.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn nibbles4(e: u32) -> vec4<f32> {
  let word = quants[e / 8u] >> (4u * (e & 4u));
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let pair = scales[e / 32u];
  return nibbles4(e) * halfToFloat(pair & 0xffffu) + vec4<f32>(halfToFloat(pair >> 16u));
}
