// No side path: see side/low_rank.wgsl.
fn sideLength() -> u32 {
  return 0u;
}
fn sideA4(m: u32, k: u32) -> vec4<f32> {
  return vec4<f32>(0.0);
}
fn sideB4(n: u32, k: u32) -> vec4<f32> {
  return vec4<f32>(0.0);
}
