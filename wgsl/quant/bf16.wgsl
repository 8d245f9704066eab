// BF16: upper half of an f32, two per word, rows filled up to a multiple of 4.
// w = bits << 16; scales unused.
@group(0) @binding(1) var<storage, read> quants: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let pair = quants[e / 4u];
  return bitcast<vec4<f32>>(vec4<u32>(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
}
