/** How each operator is recorded. Operators that only rename data (reshape, image ↔ tokens) are the recorder's own. */
import type { Node } from '../../../graph/ir';
import type { OpName } from '../../../graph/ops/registry';
import type { OpContext } from '../op_context';
import { recordAttention } from './attention';
import { recordConv2d, recordLinear } from './matrix';
import { recordGroupNorm, recordLayerNorm, recordRmsNorm } from './normalisation';
import { recordBinary, recordGatedActivation, recordLincomb, recordModulate, recordUnary } from './pointwise';
import {
  recordConcat,
  recordPixelShuffle,
  recordPixelUnshuffle,
  recordSlice,
  recordTranspose,
  recordUpsample,
} from './strided';
import { recordAveragePool, recordEmbedding, recordGatherToken, recordRope, recordTimestepEmbedding } from './tokens';

/** Appends the kernel calls of one node. */
export type RecordOp<O extends OpName> = (ctx: OpContext, node: Node<O>) => void;

export const OP_RECORDERS: { readonly [O in OpName]?: RecordOp<O> } = {
  conv2d: recordConv2d,
  linear: recordLinear,
  attention: recordAttention,
  groupNorm: recordGroupNorm,
  layerNorm: recordLayerNorm,
  rmsNorm: recordRmsNorm,
  modulate: recordModulate,
  unary: recordUnary,
  gatedActivation: recordGatedActivation,
  binary: recordBinary,
  lincomb: recordLincomb,
  concat: recordConcat,
  slice: recordSlice,
  transpose: recordTranspose,
  upsampleNearest: recordUpsample,
  averagePool: recordAveragePool,
  pixelShuffle: recordPixelShuffle,
  pixelUnshuffle: recordPixelUnshuffle,
  embedding: recordEmbedding,
  gatherToken: recordGatherToken,
  timestepEmbedding: recordTimestepEmbedding,
  rope: recordRope,
};
