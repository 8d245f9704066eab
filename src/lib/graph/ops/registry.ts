/** Every operator. Types, backends' tables, tests and the operator catalogue derive from this list. */
import { attention } from './attention';
import { averagePool } from './average_pool';
import { binary } from './binary';
import { concat } from './concat';
import { conv2d } from './conv2d';
import type { OpDef } from './define';
import { embedding } from './embedding';
import { gatedActivation } from './gated_activation';
import { gatherToken } from './gather_token';
import { groupNorm } from './group_norm';
import { imageToTokens, tokensToImage, vectorToImage } from './image_to_tokens';
import { layerNorm } from './layer_norm';
import { lincomb } from './lincomb';
import { linear } from './linear';
import { modulate } from './modulate';
import { pixelShuffle, pixelUnshuffle } from './pixel_shuffle';
import { reshape } from './reshape';
import { rmsNorm } from './rms_norm';
import { rope } from './rope';
import { slice } from './slice';
import { timestepEmbedding } from './timestep_embedding';
import { transpose } from './transpose';
import { unary } from './unary';
import { upsampleNearest } from './upsample_nearest';

export const OPS = [
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
] as const;

type Op = (typeof OPS)[number];
export type OpName = Op['name'];
export type OpAttrs = { [D in Op as D['name']]: D extends OpDef<string, infer Attrs> ? Attrs : never };

const byName = new Map<string, Op>(OPS.map((op) => [op.name, op]));

/** The definition of an operator. */
export function opDef<O extends OpName>(name: O): OpDef<O, OpAttrs[O]> {
  // Sound because `byName` maps each definition to its own name.
  return byName.get(name) as unknown as OpDef<O, OpAttrs[O]>;
}
