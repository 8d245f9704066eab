// Heads of q, k, v and y number by number: any width. Reads beyond the width give 0.
@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read_write> k: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn within(left: u32, raw: vec4<f32>) -> vec4<f32> {
  return select(vec4<f32>(0.0), raw, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left));
}
fn q4(at: u32, left: u32) -> vec4<f32> {
  return within(left, vec4<f32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]));
}
fn k4(at: u32, left: u32) -> vec4<f32> {
  return within(left, vec4<f32>(k[at], k[at + 1u], k[at + 2u], k[at + 3u]));
}
fn v4(at: u32, left: u32) -> vec4<f32> {
  return within(left, vec4<f32>(v[at], v[at + 1u], v[at + 2u], v[at + 3u]));
}
fn store4(at: u32, left: u32, values: vec4<f32>) {
  for (var d = 0u; d < min(4u, left); d++) {
    y[at + d] = values[d];
  }
}
