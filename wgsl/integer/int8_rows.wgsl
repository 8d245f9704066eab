// int8 with one f32 scale per row for gemm_integer.wgsl: the layout of quant/int8_rows.wgsl.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

fn codes4(row: u32, e: u32) -> u32 {
  return quants[e / 4u];
}
fn codeScale(row: u32, e: u32) -> f32 {
  return scales[row];
}
