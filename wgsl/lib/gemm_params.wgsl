// Parameters of the matrix kernels: y[m, n] = epilogue(Σ_k A[m, k] · W[n, k]).
struct Params {
  groupOffset: u32, // first workgroup of this dispatch
  m: u32, // rows of A: tokens or output pixels
  n: u32, // rows of this part of W: output features
  k: u32, // reduction length as stored in W, filled up
  channels: u32, // true channels per row or pixel of x
  rowElems: u32, // elements from one row of W to the next
  rowStart: u32, // first output feature of this part of W
  yStride: u32, // output features in all
  activation: u32, // UNARY_CODES, 0 is none
  hasBias: u32,
  hasResidual: u32, // 1: a tensor of its own, 2: lies in y, which takes its place
  blockSize: u32, // weights per absmax, for code4
  rank: u32, // columns of the side path, a multiple of 4; 0 without
  splits: u32, // groups that share a sum; above 1 with emit/partial, and gemm_reduce.wgsl adds up
  prologueSilu: u32, // with an affine operand: 1 applies SiLU after it
  height: u32, // pixels of x (rows of one image in operand/rows4_affine); the rest for convolutions only
  width: u32,
  outHeight: u32,
  outWidth: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  stride: u32, // pixels of the enlarged x
  padTop: u32,
  padLeft: u32,
  upsample: u32, // 1 or 2
  circular: u32,
  channelsPadded: u32, // channels filled up to a multiple of 4
}
@group(1) @binding(0) var<uniform> params: Params;
