// As attention/scores.wgsl with products in half precision, block floating point. Needs lib/run16.wgsl.
var<workgroup> runs: array<vec4<f16>, 320>;
var<workgroup> runScales: array<f32, 64>;

fn stageRun(slot: u32, values: mat4x4<f32>) {
  let run = runOf(values);
  let at = slot * 5u;
  runs[at] = run.half[0];
  runs[at + 1u] = run.half[1];
  runs[at + 2u] = run.half[2];
  runs[at + 3u] = run.half[3];
  runScales[slot] = run.scale;
}

fn scoreBlock(tx: u32, ty: u32) -> mat4x4<f32> {
  var s0 = vec4<f16>();
  var s1 = vec4<f16>();
  var s2 = vec4<f16>();
  var s3 = vec4<f16>();
  for (var part = 0u; part < 4u; part++) {
    let b = (32u + tx) * 5u + part;
    let keys = mat4x4<f16>(runs[b], runs[b + 40u], runs[b + 80u], runs[b + 120u]);
    let a = ty * 5u + part;
    s0 += runs[a] * keys;
    s1 += runs[a + 40u] * keys;
    s2 += runs[a + 80u] * keys;
    s3 += runs[a + 120u] * keys;
  }
  let slot = 32u + tx;
  let scale = vec4<f32>(runScales[slot], runScales[slot + 8u], runScales[slot + 16u], runScales[slot + 24u]);
  return mat4x4<f32>(
    vec4<f32>(s0) * (runScales[ty] * scale),
    vec4<f32>(s1) * (runScales[ty + 8u] * scale),
    vec4<f32>(s2) * (runScales[ty + 16u] * scale),
    vec4<f32>(s3) * (runScales[ty + 24u] * scale),
  );
}
