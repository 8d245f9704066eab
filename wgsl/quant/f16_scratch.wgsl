// A weight that dequantize_rows.wgsl has just decoded: as quant/f16.wgsl, but bound writable, since it lies in the arena
// beside x and y, and WebGPU refuses a buffer that is bound both ways.
@group(0) @binding(1) var<storage, read_write> quants: array<vec2<u32>>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let pair = quants[e / 4u];
  return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
