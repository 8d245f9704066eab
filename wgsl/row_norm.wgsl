// y = (x − mean) / sqrt(var + eps) · weight + bias over runs of `size` (layer norm), or
// y = x / sqrt(mean(x²) + eps) · weight (root mean square), then y · (1 + scale) + shift of an image (adaptive norm).
// Two passes over the run, statistics in f32.
// Grid: one group of 64 threads per run. Sources: Ba et al. 2016; Zhang & Sennrich 2019;
// Peebles & Xie 2023, section 3.2.
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  rows: u32, // runs
  size: u32, // elements of a run
  subtractMean: u32,
  hasWeight: u32,
  hasBias: u32,
  hasScale: u32,
  hasShift: u32,
  tokens: u32, // runs of one image, for scale and shift
  inPlace: u32, // 1: x lies in y
  eps: f32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> shift: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(workgroup, groups);
  // Groups beyond the last run still take part in the barriers.
  let base = min(row, params.rows - 1u) * params.size;
  let count = f32(params.size);
  var mean = 0.0;
  if (params.subtractMean != 0u) {
    var sum = 0.0;
    for (var i = local; i < params.size; i += 64u) {
      sum += sourceAt(base + i);
    }
    mean = sumOver64(local, sum) / count;
  }
  var squares = 0.0;
  for (var i = local; i < params.size; i += 64u) {
    let centred = sourceAt(base + i) - mean;
    squares += centred * centred;
  }
  let inverse = 1.0 / sqrt(sumOver64(local, squares) / count + params.eps);
  if (row >= params.rows) {
    return;
  }
  let image = (row / params.tokens) * params.size;
  for (var i = local; i < params.size; i += 64u) {
    var value = (sourceAt(base + i) - mean) * inverse;
    if (params.hasWeight != 0u) {
      value *= weight[i];
    }
    if (params.hasBias != 0u) {
      value += bias[i];
    }
    if (params.hasScale != 0u) {
      value *= 1.0 + scale[image + i];
    }
    if (params.hasShift != 0u) {
      value += shift[image + i];
    }
    y[base + i] = value;
  }
}
