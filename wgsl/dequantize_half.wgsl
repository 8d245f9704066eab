// Result of dequantize_rows.wgsl as binary16, as in quant/f16.wgsl. Values beyond 65504 are clamped.
@group(0) @binding(0) var<storage, read_write> y: array<vec2<u32>>;

fn keep(i: u32, values: vec4<f32>) {
  let safe = clamp(values, vec4<f32>(-65504.0), vec4<f32>(65504.0));
  y[i] = vec2<u32>(pack2x16float(safe.xy), pack2x16float(safe.zw));
}
