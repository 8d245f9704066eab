// Scores of 32 queries on 32 keys, 16 dimensions at a time, in f32. Slots 0..31 hold queries, 32..63 keys.
// Rows are one vector longer than needed, so that neighbours fall into different banks.
var<workgroup> runs: array<vec4<f32>, 320>;

fn stageRun(slot: u32, run: mat4x4<f32>) {
  let at = slot * 5u;
  runs[at] = run[0];
  runs[at + 1u] = run[1];
  runs[at + 2u] = run[2];
  runs[at + 3u] = run[3];
}

// Row i: query ty + 8i; component j: key tx + 8j.
fn scoreBlock(tx: u32, ty: u32) -> mat4x4<f32> {
  var s0 = vec4<f32>(0.0);
  var s1 = vec4<f32>(0.0);
  var s2 = vec4<f32>(0.0);
  var s3 = vec4<f32>(0.0);
  for (var part = 0u; part < 4u; part++) {
    let b = (32u + tx) * 5u + part;
    let keys = mat4x4<f32>(runs[b], runs[b + 40u], runs[b + 80u], runs[b + 120u]);
    let a = ty * 5u + part;
    s0 += runs[a] * keys;
    s1 += runs[a + 40u] * keys;
    s2 += runs[a + 80u] * keys;
    s3 += runs[a + 120u] * keys;
  }
  return mat4x4<f32>(s0, s1, s2, s3);
}
