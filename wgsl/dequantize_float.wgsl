// Result of dequantize_rows.wgsl as f32, as in quant/f32.wgsl: exact.
@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;

fn keep(i: u32, values: vec4<f32>) {
  y[i] = values;
}
