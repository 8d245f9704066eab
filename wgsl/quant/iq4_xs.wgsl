// IQ4_XS: 8 codes per word in element order. Per 256: 8 signed scale bytes, one per 32, in 2 words, then a word with d.
// w = d * scale * level[q].
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
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let block = (e / 256u) * 3u;
  let sub = (e / 32u) & 7u;
  let scale = bitcast<i32>(scales[block + sub / 4u] << (24u - 8u * (sub & 3u))) >> 24u;
  return levels4(e) * (halfToFloat(scales[block + 2u] & 0xffffu) * f32(scale));
}
