// Q6_K: per 32 elements 4 words of low nibbles and 2 words of upper bit pairs. Per 256: 16 signed scale bytes, one per
// 16, in 4 words, then a word with d in binary16.   w = d * scale * (q - 32).
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn signedScale(e: u32) -> f32 {
  let block = (e / 256u) * 5u;
  let sub = (e / 16u) & 15u;
  let scale = bitcast<i32>(scales[block + sub / 4u] << (24u - 8u * (sub & 3u))) >> 24u;
  return halfToFloat(scales[block + 4u] & 0xffffu) * f32(scale);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let block = (e / 32u) * 6u;
  let within = e & 31u;
  let low = quants[block + within / 8u] >> (4u * (e & 4u));
  let high = quants[block + 4u + within / 16u] >> (2u * (e & 15u));
  let codes = ((vec4<u32>(low) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u))
    | (((vec4<u32>(high) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u)) << vec4<u32>(4u));
  return (vec4<f32>(codes) - vec4<f32>(32.0)) * signedScale(e);
}
