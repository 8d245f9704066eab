// Q5_1: per 32 elements 4 words of low nibbles and 1 word of fifth bits; one word (d, m) of binary16 per 32.
// w = q * d + m.
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
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let pair = scales[e / 32u];
  return fiveBits4(e) * halfToFloat(pair & 0xffffu) + vec4<f32>(halfToFloat(pair >> 16u));
}
