// Left operand of a linear layer: x [M, K], any K. Reads beyond K give 0.
@group(0) @binding(0) var<storage, read_write> x: array<f32>;

struct Row {
  base: u32,
}
struct KStep {
  k: u32,
}
fn rowAt(m: u32) -> Row {
  return Row(min(m, params.m - 1u) * params.channels);
}
fn kAt(k: u32) -> KStep {
  return KStep(k);
}
fn loadA4(row: Row, step: KStep) -> vec4<f32> {
  let at = row.base + step.k;
  let last = row.base + params.channels - 1u;
  let raw = vec4<f32>(x[min(at, last)], x[min(at + 1u, last)], x[min(at + 2u, last)], x[min(at + 3u, last)]);
  return select(vec4<f32>(0.0), raw, vec4<u32>(step.k) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.channels));
}
