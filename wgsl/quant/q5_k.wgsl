// Q5_K: per 32 elements 4 words of low nibbles and 1 word of fifth bits. Scales as in Q4_K.
// w = d * scale * q - dmin * minimum.
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
  let block = (e / 256u) * 5u;
  let sub = (e / 32u) & 7u;
  let pair = scales[block + sub / 2u] >> (16u * (sub & 1u));
  let outer = scales[block + 4u];
  let scale = halfToFloat(outer & 0xffffu) * f32(pair & 255u);
  let minimum = halfToFloat(outer >> 16u) * f32((pair >> 8u) & 255u);
  return fiveBits4(e) * scale - vec4<f32>(minimum);
}
