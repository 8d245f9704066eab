/**
 * The transformer that FLUX.1, Chroma and FLUX.2 share: blocks in which text and image tokens have weights of their own
 * and attend jointly (double stream), then blocks over both as one sequence (single stream). Source:
 * black-forest-labs/flux and flux2, `src/flux/model.py`, `modules/layers.py`.
 */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { gated, jointAttention, modulatedNorm, projectQkv, type Modulation } from './blocks';
import { ropeTables, type RopeTables } from './rope_table';

/** Two modulations (attention, feed-forward) of one stream. */
type StreamModulation = readonly [Modulation, Modulation];

/** Where the modulations of each block come from: layers of their own (FLUX.1), one network (Chroma), shared ones (FLUX.2). */
export interface Modulations {
  double(i: number): { readonly image: StreamModulation; readonly text: StreamModulation };
  single(i: number): Modulation;
  readonly final: Pick<Modulation, 'scale' | 'shift'>;
}

export interface StreamTransformerConfig {
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  readonly outWidth: number;
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
}

/** What the members of the family do differently. */
export interface StreamTransformerParts {
  /** Whether linear layers have biases. */
  readonly bias: boolean;
  /** A double block's feed-forward, width → width. */
  readonly feedForward: (g: GraphBuilder, x: Value) => Value;
  /** What stands beside the attention of a single block, before the projection. */
  readonly singleMlp: (g: GraphBuilder, x: Value) => Value;
  /** A single block's projection of both; its path below the block. */
  readonly singleOut: string;
}

const IMAGE = { q: 'to_q', k: 'to_k', v: 'to_v', normQ: 'norm_q', normK: 'norm_k' } as const;
const TEXT = {
  q: 'add_q_proj',
  k: 'add_k_proj',
  v: 'add_v_proj',
  normQ: 'norm_added_q',
  normK: 'norm_added_k',
} as const;

interface Joint {
  readonly rope: RopeTables;
  readonly bias?: Value;
}

function doubleBlock(
  g: GraphBuilder,
  streams: { readonly image: Value; readonly text: Value },
  modulation: ReturnType<Modulations['double']>,
  { width, headDim, heads }: StreamTransformerConfig,
  { bias, feedForward }: StreamTransformerParts,
  joint: Joint,
): { image: Value; text: Value } {
  const size = { width, headDim, bias };
  const attn = g.at('attn');
  const [imageAttn, imageMlp] = modulation.image;
  const [textAttn, textMlp] = modulation.text;
  const normed = modulatedNorm(g, streams.image, imageAttn);
  g.tap('norm1', normed);
  const text = projectQkv(attn, modulatedNorm(g, streams.text, textAttn), TEXT, size);
  const image = projectQkv(attn, normed, IMAGE, size);
  const [textOut, imageOut] = jointAttention(attn, text, image, { heads, ...joint });
  const imageProjected = attn.linear(imageOut, 'to_out.0', { out: width, bias });
  attn.tap('', imageProjected);
  let x = gated(g, streams.image, imageAttn.gate, imageProjected);
  x = gated(g, x, imageMlp.gate, feedForward(g.at('ff'), modulatedNorm(g, x, imageMlp)));
  let y = gated(g, streams.text, textAttn.gate, attn.linear(textOut, 'to_add_out', { out: width, bias }));
  y = gated(g, y, textMlp.gate, feedForward(g.at('ff_context'), modulatedNorm(g, y, textMlp)));
  g.tap('', y);
  g.tap('#1', x);
  return { image: x, text: y };
}

function singleBlock(
  g: GraphBuilder,
  x: Value,
  modulation: Modulation,
  { width, headDim, heads }: StreamTransformerConfig,
  { bias, singleMlp, singleOut }: StreamTransformerParts,
  joint: Joint,
): Value {
  const normed = modulatedNorm(g, x, modulation);
  const attn = g.at('attn');
  const { q, k, v } = projectQkv(attn, normed, IMAGE, { width, headDim, bias });
  const turn = (value: Value) => attn.rope(value, joint.rope.cos, joint.rope.sin, { heads, pairing: 'interleaved' });
  const attended = attn.attention(turn(q), turn(k), v, { heads, ...(joint.bias ? { bias: joint.bias } : {}) });
  const projected = g.linear(g.concat([attended, singleMlp(g, normed)], 2), singleOut, { out: width, bias });
  const y = gated(g, x, modulation.gate, projected);
  g.tap('', y);
  return y;
}

/**
 * The transformer. Text tokens come first in the joint sequence.
 * @param inputs.tokens image tokens [N, L, inWidth]
 * @param inputs.context text tokens [N, T, contextWidth]
 * @param inputs.positions of the T + L tokens, a coordinate for each rotary axis
 * @param inputs.bias attention bias over text and image keys [N, 1, 1, T + L]
 * @returns velocity tokens [N, L, outWidth]
 */
export function streamTransformer(
  g: GraphBuilder,
  config: StreamTransformerConfig,
  parts: StreamTransformerParts,
  inputs: {
    readonly tokens: Value;
    readonly context: Value;
    readonly modulations: Modulations;
    readonly positions: readonly (readonly number[])[];
    readonly bias?: Value;
  },
): Value {
  const { tokens, context, modulations, positions } = inputs;
  const { width, outWidth } = config;
  const { bias } = parts;
  const rope = ropeTables(g, positions, { axes: config.ropeAxes, theta: config.ropeTheta });
  const joint: Joint = { rope, ...(inputs.bias ? { bias: inputs.bias } : {}) };
  let image = g.linear(tokens, 'x_embedder', { out: width, bias });
  g.tap('x_embedder', image);
  let text = g.linear(context, 'context_embedder', { out: width, bias });
  g.tap('context_embedder', text);
  for (let i = 0; i < config.doubleBlocks; i += 1) {
    const block = g.at(`transformer_blocks.${i}`);
    ({ image, text } = doubleBlock(block, { image, text }, modulations.double(i), config, parts, joint));
  }
  let x = g.concat([text, image], 1);
  for (let i = 0; i < config.singleBlocks; i += 1) {
    x = singleBlock(g.at(`single_transformer_blocks.${i}`), x, modulations.single(i), config, parts, joint);
  }
  image = g.slice(x, 1, context.shape[1] ?? 0, tokens.shape[1] ?? 0);
  const normed = modulatedNorm(g, image, modulations.final);
  g.tap('norm_out', normed);
  return g.linear(normed, 'proj_out', { out: outWidth, bias });
}
