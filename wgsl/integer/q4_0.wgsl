// Q4_0 for gemm_integer.wgsl: the layout of quant/q4_0.wgsl, nibbles minus 8 as signed bytes.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn codes4(row: u32, e: u32) -> u32 {
  let four = (quants[e / 8u] >> (4u * (e & 4u))) & 0xffffu;
  let spread = (four & 0xfu) | ((four & 0xf0u) << 4u) | ((four & 0xf00u) << 8u) | ((four & 0xf000u) << 12u);
  // nibble - 8 is the nibble with bit 3 flipped, read as a 4-bit signed number; 8 · 30 fills the upper half of the byte.
  let signed = spread ^ 0x08080808u;
  return signed | ((signed & 0x08080808u) * 30u);
}
fn codeScale(row: u32, e: u32) -> f32 {
  let index = e / 32u;
  return halfToFloat((scales[index / 2u] >> (16u * (index & 1u))) & 0xffffu);
}
