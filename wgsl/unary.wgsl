// y = f(x), element by element; f by UNARY_CODES with up to two numbers.
// Grid: one thread per element, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements
  kind: u32, // UNARY_CODES
  inPlace: u32, // 1: x lies in y
  a: f32, // slope, scale or minimum
  b: f32, // offset or maximum
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn unaryOf(kind: u32, x: f32, a: f32, b: f32) -> f32 {
  switch kind {
    case 8u: { return exp(x); }
    case 9u: { return sqrt(x); }
    case 10u: { return inverseSqrt(x); }
    case 11u: { return x * x; }
    case 12u: { return select(x * a, x, x >= 0.0); }
    case 13u: { return x * a + b; }
    case 14u: { return clamp(x, a, b); }
    default: { return activate(kind, x); }
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = groupIndex(workgroup, groups) * 256u + local;
  if (i >= params.count) {
    return;
  }
  y[i] = unaryOf(params.kind, sourceAt(i), params.a, params.b);
}
