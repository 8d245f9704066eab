// Left operand of a linear layer: x [M, K], K a multiple of 4, read as vectors. Reads beyond K give 0.
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;

struct Row {
  base: u32,
}
struct KStep {
  k: u32,
}
fn rowAt(m: u32) -> Row {
  return Row(min(m, params.m - 1u) * (params.channels / 4u));
}
fn kAt(k: u32) -> KStep {
  return KStep(k);
}
fn loadA4(row: Row, step: KStep) -> vec4<f32> {
  return select(vec4<f32>(0.0), x[row.base + step.k / 4u], step.k < params.channels);
}
