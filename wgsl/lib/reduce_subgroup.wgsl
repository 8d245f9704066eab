// As lib/reduce.wgsl by subgroup operations: two barriers instead of eight. Any subgroup size; it counts on subgroups that
// are runs of the local index, which no specification promises and the self-test checks. Uniform control flow only.
var<workgroup> reduction: array<f32, 64>;
var<workgroup> reductionSize: u32;

fn sumOver64(local: u32, value: f32) -> f32 {
  let part = subgroupAdd(value);
  let lanes = subgroupAdd(1u);
  if (local == 0u) {
    reductionSize = lanes;
  }
  reduction[local] = part;
  workgroupBarrier();
  var total = 0.0;
  let step = max(1u, reductionSize);
  for (var first = 0u; first < 64u; first += step) {
    total += reduction[first];
  }
  workgroupBarrier();
  return total;
}
