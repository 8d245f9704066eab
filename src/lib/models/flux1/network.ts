/** The FLUX.1 transformer as a graph. Source: black-forest-labs/flux, `src/flux/model.py`, `modules/layers.py`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import {
  chunks,
  embedMlp,
  gated,
  jointAttention,
  modulatedNorm,
  projectQkv,
  oneModulation,
  twoModulations,
  type Modulation,
} from '../dit/blocks';
import { gridPositions, ropeTables, type RopeTables } from '../dit/rope_table';
import type { Flux1Config } from './config';

/** Two modulations (attention, feed-forward) of one stream. */
type StreamModulation = readonly [Modulation, Modulation];

/** Where the modulations of each block come from: layers of their own (FLUX.1) or one network (Chroma). */
export interface Modulations {
  double(i: number): { readonly image: StreamModulation; readonly text: StreamModulation };
  single(i: number): Modulation;
  readonly final: Pick<Modulation, 'scale' | 'shift'>;
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

function feedForward(g: GraphBuilder, x: Value, { width, mlpWidth }: Flux1Config): Value {
  return g.linear(g.linear(x, 'net.0.proj', { out: mlpWidth, activation: 'geluTanh' }), 'net.2', { out: width });
}

function doubleBlock(
  g: GraphBuilder,
  streams: { image: Value; text: Value },
  modulation: ReturnType<Modulations['double']>,
  config: Flux1Config,
  joint: Joint,
): { image: Value; text: Value } {
  const { width, headDim, heads } = config;
  const size = { width, headDim, bias: true };
  const attn = g.at('attn');
  const [imageAttn, imageMlp] = modulation.image;
  const [textAttn, textMlp] = modulation.text;
  const normed = modulatedNorm(g, streams.image, imageAttn);
  g.tap('norm1', normed);
  const text = projectQkv(attn, modulatedNorm(g, streams.text, textAttn), TEXT, size);
  const image = projectQkv(attn, normed, IMAGE, size);
  const [textOut, imageOut] = jointAttention(attn, text, image, { heads, ...joint });
  const imageProjected = attn.linear(imageOut, 'to_out.0', { out: width });
  attn.tap('', imageProjected);
  let x = gated(g, streams.image, imageAttn.gate, imageProjected);
  x = gated(g, x, imageMlp.gate, feedForward(g.at('ff'), modulatedNorm(g, x, imageMlp), config));
  let y = gated(g, streams.text, textAttn.gate, attn.linear(textOut, 'to_add_out', { out: width }));
  y = gated(g, y, textMlp.gate, feedForward(g.at('ff_context'), modulatedNorm(g, y, textMlp), config));
  g.tap('', y);
  g.tap('#1', x);
  return { image: x, text: y };
}

function singleBlock(g: GraphBuilder, x: Value, modulation: Modulation, config: Flux1Config, joint: Joint): Value {
  const { width, mlpWidth, heads, headDim } = config;
  const normed = modulatedNorm(g, x, modulation);
  const attn = g.at('attn');
  const { q, k, v } = projectQkv(attn, normed, IMAGE, { width, headDim, bias: true });
  const turn = (value: Value) => attn.rope(value, joint.rope.cos, joint.rope.sin, { heads, pairing: 'interleaved' });
  const options = { heads, ...(joint.bias ? { bias: joint.bias } : {}) };
  const attended = attn.attention(turn(q), turn(k), v, options);
  const mlp = g.linear(normed, 'proj_mlp', { out: mlpWidth, activation: 'geluTanh' });
  const out = gated(g, x, modulation.gate, g.linear(g.concat([attended, mlp], 2), 'proj_out', { out: width }));
  g.tap('', out);
  return out;
}

/** Modulations from a layer in each block, as FLUX.1 has them. `vector` is the activated conditioning vector. */
export function layeredModulations(g: GraphBuilder, config: Flux1Config, vector: Value): Modulations {
  const { width } = config;
  const of = (name: string, count: number) => chunks(g, g.linear(vector, name, { out: count * width }), count);
  const final = (name: string) => g.reshape(g.linear(vector, name, { out: width }), [vector.shape[0] ?? 1, 1, width]);
  return {
    double: (i) => ({
      image: twoModulations(of(`transformer_blocks.${i}.norm1.linear`, 6)),
      text: twoModulations(of(`transformer_blocks.${i}.norm1_context.linear`, 6)),
    }),
    single: (i) => oneModulation(of(`single_transformer_blocks.${i}.norm.linear`, 3)),
    final: { shift: final('norm_out.shift'), scale: final('norm_out.scale') },
  };
}

/** FLUX.1's conditioning vector [N, width]: time, guidance and pooled text, added, then activated. */
export function conditioningVector(
  g: GraphBuilder,
  { width }: Flux1Config,
  inputs: { timestep: Value; guidance?: Value; pooled?: Value },
): Value {
  const top = g.at('time_text_embed');
  const sinusoid = (t: Value) => g.timestepEmbedding(t, { dim: 256, scale: 1000 });
  const features = sinusoid(inputs.timestep);
  g.tap('timestep_features', features);
  let vector = embedMlp(top, features, 'timestep_embedder', { width });
  if (inputs.guidance) vector = g.add(vector, embedMlp(top, sinusoid(inputs.guidance), 'guidance_embedder', { width }));
  if (inputs.pooled) vector = g.add(vector, embedMlp(top, inputs.pooled, 'text_embedder', { width }));
  top.tap('', vector);
  return g.activation(vector, 'silu');
}

/**
 * The transformer. Text tokens come first in the joint sequence and sit at position (0, 0, 0).
 * @param tokens image tokens [N, L, inWidth]
 * @param bias attention bias over text and image keys [N, 1, 1, T + L]
 * @returns velocity tokens [N, L, outWidth]
 */
export function flux1(
  g: GraphBuilder,
  config: Flux1Config,
  inputs: { tokens: Value; context: Value; modulations: Modulations; height: number; width: number; bias?: Value },
): Value {
  const { tokens, context, modulations, height, width, bias } = inputs;
  const textLength = context.shape[1] ?? 0;
  const positions = [
    ...Array.from({ length: textLength }, () => [0, 0, 0]),
    ...gridPositions(height, width, (row, column) => [0, row, column]),
  ];
  const rope = ropeTables(g, positions, { axes: config.ropeAxes, theta: config.ropeTheta });
  const joint: Joint = { rope, ...(bias ? { bias } : {}) };
  let image = g.linear(tokens, 'x_embedder', { out: config.width });
  g.tap('x_embedder', image);
  let text = g.linear(context, 'context_embedder', { out: config.width });
  g.tap('context_embedder', text);
  for (let i = 0; i < config.doubleBlocks; i += 1) {
    ({ image, text } = doubleBlock(
      g.at(`transformer_blocks.${i}`),
      { image, text },
      modulations.double(i),
      config,
      joint,
    ));
  }
  let x = g.concat([text, image], 1);
  for (let i = 0; i < config.singleBlocks; i += 1) {
    x = singleBlock(g.at(`single_transformer_blocks.${i}`), x, modulations.single(i), config, joint);
  }
  image = g.slice(x, 1, textLength, height * width);
  const normed = modulatedNorm(g, image, modulations.final);
  g.tap('norm_out', normed);
  return g.linear(normed, 'proj_out', { out: config.outWidth });
}
