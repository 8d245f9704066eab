// y[n] = [cos, sin](t[n] · scale · frequency[j]) with the halves in either order; the table comes from the host.
// Phases reach 1000 rad, where built-in sin and cos may be far off: reduced here to ±π/4 with π/2 in three parts
// (Cody & Waite 1980), then polynomials of the Cephes library (sinf, cosf).
// Grid: one thread per output, 256 per group.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  count: u32, // outputs
  half: u32, // frequencies
  sinFirst: u32,
  scale: f32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> t: array<f32>;
@group(0) @binding(1) var<storage, read_write> frequencies: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn sinReduced(r: f32) -> f32 {
  let z = r * r;
  return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
}
fn cosReduced(r: f32) -> f32 {
  let z = r * r;
  return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}
fn sinOf(phase: f32, quarterTurns: i32) -> f32 {
  let n = round(phase * 0.6366197723675814);
  let r = ((phase - n * 1.5703125) - n * 4.837512969970703e-4) - n * 7.54978995489188e-8;
  let quadrant = (i32(n) + quarterTurns) & 3;
  let value = select(sinReduced(r), cosReduced(r), (quadrant & 1) != 0);
  return select(value, -value, quadrant >= 2);
}

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
  let n = i / (2u * params.half);
  let j = i % (2u * params.half);
  let phase = t[n] * params.scale * frequencies[j % params.half];
  let isSin = (j < params.half) == (params.sinFirst != 0u);
  y[i] = sinOf(phase, select(1, 0, isSin));
}
