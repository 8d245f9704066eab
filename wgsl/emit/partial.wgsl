// Sums of one part of K: partial [splits, M, N], added up by gemm_reduce.wgsl.
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

fn emit(split: u32, m: u32, n: u32, sum: f32) {
  if (m < params.m && n < params.n) {
    partial[(split * params.m + m) * params.n + n] = sum;
  }
}
