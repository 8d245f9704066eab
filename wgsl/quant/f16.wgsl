// F16: two per word, rows filled up to a multiple of 4.
// w = half(e); scales unused.
@group(0) @binding(1) var<storage, read> quants: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let pair = quants[e / 4u];
  return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
