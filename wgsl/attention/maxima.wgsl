// Largest score of each of a thread's four queries over 32 keys, eight threads a query. Uniform control flow only.
var<workgroup> maxima: array<vec4<f32>, 72>;

fn rowMaxima(tx: u32, ty: u32, s: mat4x4<f32>) -> vec4<f32> {
  let own = vec4<f32>(largest(s[0]), largest(s[1]), largest(s[2]), largest(s[3]));
  maxima[ty * 9u + tx] = own;
  workgroupBarrier();
  var all = own;
  for (var i = 0u; i < 8u; i++) {
    all = max(all, maxima[ty * 9u + i]);
  }
  return all;
}

fn largest(v: vec4<f32>) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}
