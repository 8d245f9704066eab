// y[i] = a[..] ∘ b[..] over a box of up to 6 axes; a stride of 0 broadcasts. kind: 0 add, 1 sub, 2 mul.
// Grid: one thread per output, 256 per group, last axis first.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // outputs
  kind: u32,
  inPlace: u32, // 1: a lies in y, 2: b does; then it is as large as y
  size0: vec4<u32>, // axes 0..3, outermost first
  size1: vec4<u32>, // axes 4, 5
  a0: vec4<u32>, // strides in elements
  a1: vec4<u32>,
  b0: vec4<u32>,
  b1: vec4<u32>,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
  let i5 = i % params.size1.y;
  var rest = i / params.size1.y;
  let i4 = rest % params.size1.x;
  rest /= params.size1.x;
  let i3 = rest % params.size0.w;
  rest /= params.size0.w;
  let i2 = rest % params.size0.z;
  rest /= params.size0.z;
  let i1 = rest % params.size0.y;
  let outer = vec4<u32>(rest / params.size0.y, i1, i2, i3);
  let inner = vec2<u32>(i4, i5);
  let pa = outer * params.a0;
  let qa = inner * params.a1.xy;
  let pb = outer * params.b0;
  let qb = inner * params.b1.xy;
  var left = 0.0;
  if (params.inPlace == 1u) {
    left = y[i];
  } else {
    left = a[pa.x + pa.y + pa.z + pa.w + qa.x + qa.y];
  }
  var right = 0.0;
  if (params.inPlace == 2u) {
    right = y[i];
  } else {
    right = b[pb.x + pb.y + pb.z + pb.w + qb.x + qb.y];
  }
  var result = left + right;
  if (params.kind == 1u) {
    result = left - right;
  } else if (params.kind == 2u) {
    result = left * right;
  }
  y[i] = result;
}
