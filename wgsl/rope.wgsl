// (a, b) → (a·cos − b·sin, a·sin + b·cos) for every pair of every head. x [N, T, heads·D], cos and sin [N|1, T, D/2].
// Grid: one thread per pair, 256 per group. Source: Su et al. 2021, eq. 34.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // pairs in all
  half: u32, // pairs per head, D/2
  heads: u32,
  tokens: u32,
  tableBatch: u32, // 1 or N
  inPlace: u32, // 1: x lies in y
  halves: u32, // 1: pairs are (i, i + D/2); 0: (2i, 2i + 1)
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> cosTable: array<f32>;
@group(0) @binding(2) var<storage, read_write> sinTable: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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
  let pair = i % params.half;
  let head = i / params.half; // over heads, tokens and batch
  let token = head / params.heads; // over tokens and batch
  let entry = (token % (params.tokens * params.tableBatch)) * params.half + pair;
  let base = head * 2u * params.half;
  let first = base + select(2u * pair, pair, params.halves != 0u);
  let second = first + select(1u, params.half, params.halves != 0u);
  let c = cosTable[entry];
  let s = sinTable[entry];
  let a = sourceAt(first);
  let b = sourceAt(second);
  y[first] = a * c - b * s;
  y[second] = a * s + b * c;
}
