// Heads of q, k, v and y as vectors: widths that are multiples of 4.
@group(0) @binding(0) var<storage, read_write> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> k: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn q4(at: u32, left: u32) -> vec4<f32> {
  return q[at / 4u];
}
fn k4(at: u32, left: u32) -> vec4<f32> {
  return k[at / 4u];
}
fn v4(at: u32, left: u32) -> vec4<f32> {
  return v[at / 4u];
}
fn store4(at: u32, left: u32, values: vec4<f32>) {
  y[at / 4u] = values;
}
