/** One lowering per operator; the compiler names what is missing. */
import { binary, gatedActivation, lincomb, modulate, unary } from './activation';
import { attention } from './attention';
import { averagePool, conv2d, pixelShuffle, pixelUnshuffle, upsampleNearest } from './conv2d';
import { concat, imageToTokens, reshape, slice, tokensToImage, transpose, vectorToImage } from './layout';
import { linear } from './linear';
import type { LoweringTable } from './lowering';
import { groupNorm, layerNorm, rmsNorm } from './norm';
import { embedding, gatherToken, rope, timestepEmbedding } from './token';

export const LOWERINGS = {
  conv2d,
  linear,
  attention,
  groupNorm,
  layerNorm,
  rmsNorm,
  modulate,
  unary,
  gatedActivation,
  binary,
  lincomb,
  concat,
  slice,
  reshape,
  transpose,
  upsampleNearest,
  averagePool,
  pixelShuffle,
  pixelUnshuffle,
  imageToTokens,
  tokensToImage,
  vectorToImage,
  embedding,
  gatherToken,
  timestepEmbedding,
  rope,
} satisfies LoweringTable;
