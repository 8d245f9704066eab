// Q2_K: 16 two-bit codes per word in element order. Per 256: 16 bytes (minimum << 4 | scale), one per 16, in 4 words,
// then one word (d, dmin) of binary16.   w = d * scale * q - dmin * minimum.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let block = (e / 256u) * 5u;
  let sub = (e / 16u) & 15u;
  let packed = (scales[block + sub / 4u] >> (8u * (sub & 3u))) & 255u;
  let outer = scales[block + 4u];
  let scale = halfToFloat(outer & 0xffffu) * f32(packed & 15u);
  let minimum = halfToFloat(outer >> 16u) * f32(packed >> 4u);
  let word = quants[e / 16u] >> (2u * (e & 15u));
  let codes = (vec4<u32>(word) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u);
  return vec4<f32>(codes) * scale - vec4<f32>(minimum);
}
