// result[0] += number of infinities and NaNs in x. Tested by exponent bits: fast-math compilers may assume that neither
// occurs. Grid: one thread per element, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // elements of x
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<atomic<u32>>;

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
  if ((x[i] & 0x7f800000u) == 0x7f800000u) {
    atomicAdd(&result[0], 1u);
  }
}
