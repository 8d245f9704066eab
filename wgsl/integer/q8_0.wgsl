// Q8_0 for gemm_integer.wgsl: the layout of quant/q8_0.wgsl, codes left packed.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn codes4(row: u32, e: u32) -> u32 {
  return quants[e / 4u];
}
fn codeScale(row: u32, e: u32) -> f32 {
  let index = e / 32u;
  return halfToFloat((scales[index / 2u] >> (16u * (index & 1u))) & 0xffffu);
}
