// y[destination(i)] = x[source(i)] for every index i of a box of up to 6 axes; strides may be 0.
// Serves transpose, slice, concat, pixel shuffles, nearest enlargement and the order of images at the border.
// x, y: any 4-byte elements. Grid: one thread per element of the box, 256 per group, last axis first.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements of the box
  sourceStart: u32, // in elements
  targetStart: u32,
  size0: vec4<u32>, // axes 0..3, outermost first
  size1: vec4<u32>, // axes 4, 5
  source0: vec4<u32>, // strides in elements
  source1: vec4<u32>,
  target0: vec4<u32>,
  target1: vec4<u32>,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

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
  let a = outer * params.source0;
  let b = inner * params.source1.xy;
  let c = outer * params.target0;
  let d = inner * params.target1.xy;
  y[params.targetStart + c.x + c.y + c.z + c.w + d.x + d.y] = x[params.sourceStart + a.x + a.y + a.z + a.w + b.x + b.y];
}
