// Q3_K: per 32 elements 2 words of two-bit codes and 1 word of third bits. Per 256: 16 signed scale bytes, one per 16,
// in 4 words, then a word with d in binary16.   w = d * scale * (q - 4).
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn signedScale(e: u32) -> f32 {
  let block = (e / 256u) * 5u;
  let sub = (e / 16u) & 15u;
  let scale = bitcast<i32>(scales[block + sub / 4u] << (24u - 8u * (sub & 3u))) >> 24u;
  return halfToFloat(scales[block + 4u] & 0xffffu) * f32(scale);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let block = (e / 32u) * 3u;
  let within = e & 31u;
  let low = quants[block + within / 16u] >> (2u * (e & 15u));
  let high = quants[block + 2u] >> within;
  let codes = ((vec4<u32>(low) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u))
    | (((vec4<u32>(high) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) << vec4<u32>(2u));
  return (vec4<f32>(codes) - vec4<f32>(4.0)) * signedScale(e);
}
