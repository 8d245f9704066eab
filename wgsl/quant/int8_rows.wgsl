// int8 with one f32 scale per row (LLM.int8: SCB / 127), rows filled up to a multiple of 4.
// w = q * scale[row].
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

fn bytes4(e: u32) -> vec4<i32> {
  let word = quants[e / 4u];
  // Arithmetic shifts extend the sign.
  return bitcast<vec4<i32>>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u);
}
fn dequant4(row: u32, e: u32) -> vec4<f32> {
  return vec4<f32>(bytes4(e)) * scales[row];
}
