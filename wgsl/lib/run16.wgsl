// Block floating point: a run of 16 numbers as half precision below 1, and the power of two that undoes it. Needs
// lib/enable_f16.wgsl. Products of two runs stay below 16 and lose nothing to the range of half precision.
struct Run {
  half: mat4x4<f16>,
  scale: f32,
}

fn runOf(run: mat4x4<f32>) -> Run {
  let peaks = max(max(abs(run[0]), abs(run[1])), max(abs(run[2]), abs(run[3])));
  let peak = max(max(peaks.x, peaks.y), max(peaks.z, peaks.w));
  // Powers of two by exponent bits: exact, and safe for 0 and for numbers near the largest.
  let exponent = min((bitcast<u32>(peak) >> 23u) & 255u, 252u);
  let shrink = bitcast<f32>((253u - exponent) << 23u);
  return Run(
    mat4x4<f16>(
      vec4<f16>(run[0] * shrink),
      vec4<f16>(run[1] * shrink),
      vec4<f16>(run[2] * shrink),
      vec4<f16>(run[3] * shrink),
    ),
    bitcast<f32>((exponent + 1u) << 23u),
  );
}
