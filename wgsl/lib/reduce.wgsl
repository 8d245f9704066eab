// The sum of one number per thread over a group of 64, given to all of them. Uniform control flow only.
var<workgroup> reduction: array<f32, 64>;

fn sumOver64(local: u32, value: f32) -> f32 {
  reduction[local] = value;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      reduction[local] += reduction[local + half];
    }
  }
  workgroupBarrier();
  let total = reduction[0];
  workgroupBarrier();
  return total;
}
