// As attention/maxima.wgsl by shuffles among eight neighbours: subgroups of 8 or more that are runs of the local index,
// which no specification promises and the self-test checks.
fn rowMaxima(tx: u32, ty: u32, s: mat4x4<f32>) -> vec4<f32> {
  var all = vec4<f32>(largest(s[0]), largest(s[1]), largest(s[2]), largest(s[3]));
  all = max(all, subgroupShuffleXor(all, 1u));
  all = max(all, subgroupShuffleXor(all, 2u));
  return max(all, subgroupShuffleXor(all, 4u));
}

fn largest(v: vec4<f32>) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}
