// NF4 and FP4 (bitsandbytes): 8 codes per word in element order. scales: 16 code values, then one absmax per
// params.blockSize elements of the flattened weight.   w = value[q] * absmax.
@group(0) @binding(1) var<storage, read> quants: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;

fn dequant4(row: u32, e: u32) -> vec4<f32> {
  let word = quants[e / 8u] >> (4u * (e & 4u));
  let codes = (vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
  return vec4<f32>(scales[codes.x], scales[codes.y], scales[codes.z], scales[codes.w]) * scales[16u + e / params.blockSize];
}
