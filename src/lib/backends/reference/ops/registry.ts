/** The reference implementation of every operator; the compiler lists what is missing. */
import type { OpName } from '../../../graph/ops/registry';
import { attention } from './attention';
import { conv2d } from './conv2d';
import { binary, gatedActivation, lincomb, modulate, unary } from './elementwise';
import type { Evaluate } from './evaluate';
import {
  averagePool,
  concat,
  imageToTokens,
  pixelShuffle,
  pixelUnshuffle,
  reshape,
  slice,
  tokensToImage,
  transpose,
  upsampleNearest,
  vectorToImage,
} from './layout';
import { linear } from './linear';
import { groupNorm, layerNorm, rmsNorm } from './norms';
import { embedding, gatherToken, rope, timestepEmbedding } from './sequence';

export const EVALUATE = {
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
} satisfies { [O in OpName]: Evaluate<O> };
