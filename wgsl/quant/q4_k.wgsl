// Q4_K: 8 nibbles per word in element order. Per 256: 8 byte pairs (scale, minimum), one per 32, in 4 words, then
// one word (d, dmin) of binary16.   w = d * scale * q - dmin * minimum.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn nibbles4(e: u32) -> vec4<f32> {
  let word = quants[e / 8u] >> (4u * (e & 4u));
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u));
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let block = (e / 256u) * 5u;
  let sub = (e / 32u) & 7u;
  let pair = scales[block + sub / 2u] >> (16u * (sub & 1u));
  let outer = scales[block + 4u];
  let scale = halfToFloat(outer & 0xffffu) * f32(pair & 255u);
  let minimum = halfToFloat(outer >> 16u) * f32((pair >> 8u) & 255u);
  return nibbles4(e) * scale - vec4<f32>(minimum);
}
