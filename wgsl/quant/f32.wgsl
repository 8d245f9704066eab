// F32: one float per element, rows filled up to a multiple of 4.
// w = quants[e]; scales unused.
@group(0) @binding(1) var<storage, read> quants: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  return quants[e / 4u];
}
