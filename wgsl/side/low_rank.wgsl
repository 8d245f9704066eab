// A low-rank side path as more columns of K: y += low · upᵀ in the same sums, so that no [M, N] tensor is written and read
// again. low [M, R] and up [N, R] f32, R = params.rank, a multiple of 4. Source: Hu et al. 2021, eq. 3.
@group(0) @binding(6) var<storage, read_write> low: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> up: array<vec4<f32>>;

fn sideLength() -> u32 {
  return params.rank;
}
fn sideA4(m: u32, k: u32) -> vec4<f32> {
  let at = min(m, params.m - 1u) * params.rank + min(k, params.rank - 4u);
  return select(vec4<f32>(0.0), low[at / 4u], k < params.rank);
}
fn sideB4(n: u32, k: u32) -> vec4<f32> {
  let row = params.rowStart + min(n, params.n - 1u);
  return up[(row * params.rank + min(k, params.rank - 4u)) / 4u];
}
