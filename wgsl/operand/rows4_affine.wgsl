// As operand/rows4.wgsl with x · scale + shift (and SiLU) per image and channel: a group norm in the product that reads
// it. Rows of one image: params.height.
@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> affine: array<vec4<f32>>;

struct Row {
  base: u32,
  affine: u32,
}
struct KStep {
  k: u32,
}
fn rowAt(m: u32) -> Row {
  let row = min(m, params.m - 1u);
  let vectors = params.channels / 4u;
  return Row(row * vectors, 2u * (row / params.height) * vectors);
}
fn kAt(k: u32) -> KStep {
  return KStep(k);
}
fn loadA4(row: Row, step: KStep) -> vec4<f32> {
  if (step.k >= params.channels) {
    return vec4<f32>(0.0);
  }
  let at = row.affine + 2u * (step.k / 4u);
  let value = x[row.base + step.k / 4u] * affine[at] + affine[at + 1u];
  return select(value, value / (vec4<f32>(1.0) + exp(-value)), params.prologueSilu != 0u);
}
