/** The FLUX.2 transformer as a graph: as FLUX.1, with shared modulations, gated feed-forwards and no biases. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import {
  chunks,
  embedMlp,
  gated,
  jointAttention,
  modulatedNorm,
  projectQkv,
  triples,
  type Modulation,
} from '../dit/blocks';
import { gridPositions, ropeTables, type RopeTables } from '../dit/rope_table';
import type { DenoiserSpec } from '../family';
import type { BuiltGraph, ModelPart } from '../part';
import { checkAxes } from '../flux1/config';
import type { Flux2Config } from './flux2';

const IMAGE = { q: 'to_q', k: 'to_k', v: 'to_v', normQ: 'norm_q', normK: 'norm_k' } as const;
const TEXT = {
  q: 'add_q_proj',
  k: 'add_k_proj',
  v: 'add_v_proj',
  normQ: 'norm_added_q',
  normK: 'norm_added_k',
} as const;

function feedForward(g: GraphBuilder, x: Value, { width, mlpWidth }: Flux2Config): Value {
  const hidden = g.linear(x, 'linear_in', { out: 2 * mlpWidth, bias: false });
  return g.linear(g.gatedActivation(hidden, { activation: 'silu', gate: 'first' }), 'linear_out', {
    out: width,
    bias: false,
  });
}

type Pair = readonly Modulation[];

function doubleBlock(
  g: GraphBuilder,
  streams: { image: Value; text: Value },
  [imageMods, textMods]: readonly [Pair, Pair],
  config: Flux2Config,
  rope: RopeTables,
): { image: Value; text: Value } {
  const { width, headDim, heads } = config;
  const size = { width, headDim, bias: false };
  const attn = g.at('attn');
  const [imageAttn, imageMlp] = imageMods;
  const [textAttn, textMlp] = textMods;
  if (!imageAttn || !imageMlp || !textAttn || !textMlp) return streams;
  const text = projectQkv(attn, modulatedNorm(g, streams.text, textAttn), TEXT, size);
  const image = projectQkv(attn, modulatedNorm(g, streams.image, imageAttn), IMAGE, size);
  const [textOut, imageOut] = jointAttention(attn, text, image, { heads, rope });
  let x = gated(g, streams.image, imageAttn.gate, attn.linear(imageOut, 'to_out.0', { out: width, bias: false }));
  x = gated(g, x, imageMlp.gate, feedForward(g.at('ff'), modulatedNorm(g, x, imageMlp), config));
  let y = gated(g, streams.text, textAttn.gate, attn.linear(textOut, 'to_add_out', { out: width, bias: false }));
  y = gated(g, y, textMlp.gate, feedForward(g.at('ff_context'), modulatedNorm(g, y, textMlp), config));
  g.tap('', y);
  g.tap('#1', x);
  return { image: x, text: y };
}

function singleBlock(g: GraphBuilder, x: Value, modulation: Modulation, config: Flux2Config, rope: RopeTables): Value {
  const { width, mlpWidth, heads, headDim } = config;
  const normed = modulatedNorm(g, x, modulation);
  const attn = g.at('attn');
  const { q, k, v } = projectQkv(attn, normed, IMAGE, { width, headDim, bias: false });
  const turn = (value: Value) => attn.rope(value, rope.cos, rope.sin, { heads, pairing: 'interleaved' });
  const attended = attn.attention(turn(q), turn(k), v, { heads });
  const hidden = g.linear(normed, 'proj_mlp', { out: 2 * mlpWidth, bias: false });
  const mlp = g.gatedActivation(hidden, { activation: 'silu', gate: 'first' });
  const out = attn.linear(g.concat([attended, mlp], 2), 'to_out', { out: width, bias: false });
  const y = gated(g, x, modulation.gate, out);
  g.tap('', y);
  return y;
}

/** The transformer; text tokens first, at (0, 0, 0, i); image tokens at (0, row, column, 0). */
function flux2(
  g: GraphBuilder,
  config: Flux2Config,
  inputs: { tokens: Value; context: Value; timestep: Value; guidance?: Value; height: number; width: number },
): Value {
  const { context, height, width } = inputs;
  const top = g.at('time_guidance_embed');
  const sinusoid = (t: Value) => g.timestepEmbedding(t, { dim: 256, scale: 1000 });
  const size = { width: config.width, bias: false };
  let vector = embedMlp(top, sinusoid(inputs.timestep), 'timestep_embedder', size);
  if (inputs.guidance) vector = g.add(vector, embedMlp(top, sinusoid(inputs.guidance), 'guidance_embedder', size));
  top.tap('', vector);
  vector = g.activation(vector, 'silu');
  const modulation = (name: string, count: number) => {
    const all = g.linear(vector, `${name}.linear`, { out: count * config.width, bias: false });
    g.tap(name, all);
    return triples(chunks(g, all, count));
  };
  const pairs = [modulation('double_stream_modulation_img', 6), modulation('double_stream_modulation_txt', 6)] as const;
  const [single] = modulation('single_stream_modulation', 3);

  const textLength = context.shape[1] ?? 0;
  const positions = [
    ...Array.from({ length: textLength }, (_, i) => [0, 0, 0, i]),
    ...gridPositions(height, width, (row, column) => [0, row, column, 0]),
  ];
  const rope = ropeTables(g, positions, { axes: config.ropeAxes, theta: config.ropeTheta });
  let image = g.linear(inputs.tokens, 'x_embedder', { out: config.width, bias: false });
  g.tap('x_embedder', image);
  let text = g.linear(context, 'context_embedder', { out: config.width, bias: false });
  g.tap('context_embedder', text);
  for (let i = 0; i < config.doubleBlocks; i += 1) {
    ({ image, text } = doubleBlock(g.at(`transformer_blocks.${i}`), { image, text }, pairs, config, rope));
  }
  let x = g.concat([text, image], 1);
  for (let i = 0; single && i < config.singleBlocks; i += 1) {
    x = singleBlock(g.at(`single_transformer_blocks.${i}`), x, single, config, rope);
  }
  const out = g.slice(x, 1, textLength, height * width);
  const [shift] = chunks(g, g.linear(vector, 'norm_out.shift', { out: config.width, bias: false }), 1);
  const [scale] = chunks(g, g.linear(vector, 'norm_out.scale', { out: config.width, bias: false }), 1);
  const normed = shift && scale ? modulatedNorm(g, out, { shift, scale }) : out;
  g.tap('norm_out', normed);
  return g.linear(normed, 'proj_out', { out: config.outWidth, bias: false });
}

/**
 * The denoiser's graph. `x` image [N, 128, h, w] (packed, normalised latents), `timestep` sigma in 0..1, `context`
 * joined Qwen3 states, `guidance` [N] where the model takes it. Output `prediction`: velocity.
 */
export function buildFlux2(part: ModelPart<Flux2Config>, spec: DenoiserSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, tokens } = spec;
  checkAxes(config);
  const g = GraphBuilder.create('flux2', weightResolver(weights));
  const x = g.input('x', [batch, config.inWidth, height, width], { layout: 'image' });
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, config.contextWidth]);
  const y = flux2(g, config, {
    tokens: g.imageToTokens(x),
    context,
    timestep,
    ...(config.guidance ? { guidance: g.input('guidance', [batch]) } : {}),
    height,
    width,
  });
  g.output('prediction', g.tokensToImage(y, height, width));
  return { graph: g.finish(), weights };
}
