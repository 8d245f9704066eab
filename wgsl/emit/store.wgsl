// Results of a matrix kernel through the epilogue. Needs lib/epilogue.wgsl.
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

fn emit(split: u32, m: u32, n: u32, sum: f32) {
  if (m < params.m && n < params.n) {
    store(m, n, sum);
  }
}
