/** The SD3 MMDiT as a graph. Source: Esser et al. 2024; Stability-AI/sd3.5 `mmditx.py`; diffusers `transformer_sd3.py`. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { chunks, embedMlp, gated, jointAttention, modulatedNorm, projectQkv, triples } from '../dit/blocks';
import type { DenoiserSpec } from '../family';
import type { BuiltGraph, ModelPart } from '../part';
import type { Sd3Config } from './sd3';

/** Patches plus the centre of the stored position table: [N, L, width]. */
function embedPatches(g: GraphBuilder, config: Sd3Config, x: Value): Value {
  const [, , height = 0, width = 0] = x.shape;
  const rows = height / 2;
  const columns = width / 2;
  const side = config.positionSide;
  const patches = g.imageToTokens(g.conv2d(x, 'pos_embed.proj', { out: config.width, kernel: 2, stride: 2, pad: 0 }));
  const table = g.reshape(g.weight('pos_embed.pos_embed.weight', [1, side * side, config.width]), [
    side,
    side,
    config.width,
  ]);
  const top = Math.floor((side - rows) / 2);
  const left = Math.floor((side - columns) / 2);
  const crop = g.slice(g.slice(table, 0, top, rows), 1, left, columns);
  const y = g.add(patches, g.reshape(crop, [1, rows * columns, config.width]));
  g.tap('pos_embed', y);
  return y;
}

function feedForward(g: GraphBuilder, x: Value, { width, mlpWidth }: Sd3Config): Value {
  return g.linear(g.linear(x, 'net.0.proj', { out: mlpWidth, activation: 'geluTanh' }), 'net.2', { out: width });
}

interface Streams {
  readonly image: Value;
  readonly text: Value;
}

function lastModulation(g: GraphBuilder, vector: Value, name: string, width: number) {
  const [shift] = chunks(g, g.linear(vector, `${name}.shift`, { out: width }), 1);
  const [scale] = chunks(g, g.linear(vector, `${name}.scale`, { out: width }), 1);
  return { shift: shift ?? vector, scale: scale ?? vector };
}

/** One joint block. The last one only reads the text stream. */
function jointBlock(
  g: GraphBuilder,
  { image, text }: Streams,
  vector: Value,
  config: Sd3Config,
  index: number,
): Streams {
  const { width, headDim, heads, qkNorm, dualBlocks, blocks } = config;
  const last = index === blocks - 1;
  const dual = dualBlocks.includes(index);
  const modulations = (name: string, count: number) =>
    triples(chunks(g, g.linear(vector, name, { out: count * width }), count));
  const [imageAttn, imageMlp, second] = modulations('norm1.linear', dual ? 9 : 6);
  const [textAttn, textMlp] = last ? [] : modulations('norm1_context.linear', 6);
  if (!imageAttn || !imageMlp) return { image, text };

  const attn = g.at('attn');
  const size = { width, headDim, bias: true };
  const names = { q: 'to_q', k: 'to_k', v: 'to_v', ...(qkNorm ? { normQ: 'norm_q', normK: 'norm_k' } : {}) };
  const added = {
    q: 'add_q_proj',
    k: 'add_k_proj',
    v: 'add_v_proj',
    ...(qkNorm ? { normQ: 'norm_added_q', normK: 'norm_added_k' } : {}),
  };
  const textNorm = modulatedNorm(g, text, textAttn ?? lastModulation(g, vector, 'norm1_context', width));
  const qkv = projectQkv(attn, modulatedNorm(g, image, imageAttn), names, size);
  const [imageOut, textOut] = jointAttention(attn, qkv, projectQkv(attn, textNorm, added, size), { heads });
  const projected = attn.linear(imageOut, 'to_out.0', { out: width });
  attn.tap('', projected);
  let x = gated(g, image, imageAttn.gate, projected);
  if (second) {
    const attn2 = g.at('attn2');
    const own = projectQkv(attn2, modulatedNorm(g, image, second), names, size);
    const out = attn2.linear(attn2.attention(own.q, own.k, own.v, { heads }), 'to_out.0', { out: width });
    x = gated(g, x, second.gate, out);
  }
  x = gated(g, x, imageMlp.gate, feedForward(g.at('ff'), modulatedNorm(g, x, imageMlp), config));
  g.tap('#1', x);
  if (!textAttn || !textMlp) return { image: x, text };
  let y = gated(g, text, textAttn.gate, attn.linear(textOut, 'to_add_out', { out: width }));
  y = gated(g, y, textMlp.gate, feedForward(g.at('ff_context'), modulatedNorm(g, y, textMlp), config));
  g.tap('', y);
  return { image: x, text: y };
}

/**
 * The denoiser's graph. `x` image [N, 16, h, w], `timestep` sigma in 0..1, `context` [N, T, contextWidth], `pooled`
 * [N, pooledWidth]. Output `prediction`: velocity. Height and width are even and at most twice the position table's side.
 */
export function buildSd3(part: ModelPart<Sd3Config>, spec: DenoiserSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, tokens } = spec;
  const g = GraphBuilder.create('sd3', weightResolver(weights));
  const x = g.input('x', [batch, config.channels, height, width], { layout: 'image' });
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, config.contextWidth]);
  const pooled = g.input('pooled', [batch, config.pooledWidth]);
  const top = g.at('time_text_embed');
  const features = g.timestepEmbedding(timestep, { dim: 256, scale: 1000 });
  const sum = g.add(
    embedMlp(top, features, 'timestep_embedder', { width: config.width }),
    embedMlp(top, pooled, 'text_embedder', { width: config.width }),
  );
  top.tap('', sum);
  const vector = g.activation(sum, 'silu');
  const text = g.linear(context, 'context_embedder', { out: config.width });
  g.tap('context_embedder', text);
  let streams: Streams = { image: embedPatches(g, config, x), text };
  for (let i = 0; i < config.blocks; i += 1) {
    streams = jointBlock(g.at(`transformer_blocks.${i}`), streams, vector, config, i);
  }
  const normed = modulatedNorm(g, streams.image, lastModulation(g, vector, 'norm_out', config.width));
  g.tap('norm_out', normed);
  const y = g.linear(normed, 'proj_out', { out: 4 * config.channels });
  g.output('prediction', g.pixelShuffle(g.tokensToImage(y, height / 2, width / 2), 2, 'yxc'));
  return { graph: g.finish(), weights };
}
