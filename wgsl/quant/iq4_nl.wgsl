// IQ4_NL: 8 codes per word in element order; binary16 scale per 32, two per word.
// w = level[q] * d.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

// The 16 levels as signed bytes, four per word: a constant vector indexes faster than an array.
const IQ4_LEVELS = vec4<u32>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
fn level(code: u32) -> f32 {
  return f32(bitcast<i32>(IQ4_LEVELS[code / 4u] << (24u - 8u * (code & 3u))) >> 24u);
}
fn levels4(e: u32) -> vec4<f32> {
  let word = quants[e / 8u] >> (4u * (e & 4u));
  return vec4<f32>(
    level(word & 15u),
    level((word >> 4u) & 15u),
    level((word >> 8u) & 15u),
    level((word >> 12u) & 15u),
  );
}
fn halfScale(index: u32) -> f32 {
  return halfToFloat((scales[index / 2u] >> (16u * (index & 1u))) & 0xffffu);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  return levels4(e) * halfScale(e / 32u);
}
