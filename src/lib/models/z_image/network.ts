/** The Z-Image transformer as a graph. Source: Tongyi-MAI/Z-Image; diffusers `transformer_z_image.py`. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { chunks, projectQkv } from '../dit/blocks';
import { gridPositions, ropeTables, type Position, type RopeTables } from '../dit/rope_table';
import type { DenoiserSpec } from '../family';
import type { BuiltGraph, ModelPart } from '../part';
import { checkAxes } from '../flux1/config';
import { NORM_EPS } from '../norm_eps';
import type { ZImageConfig } from './z_image';

/** Both streams are filled up to a multiple of this, with learned tokens that take part like all others. */
const SEQUENCE_MULTIPLE = 32;

const NAMES = { q: 'to_q', k: 'to_k', v: 'to_v', normQ: 'norm_q', normK: 'norm_k' } as const;

function fillUp(g: GraphBuilder, x: Value, name: string, { width }: ZImageConfig): Value {
  const [batch = 0, length = 0] = x.shape;
  const missing = (SEQUENCE_MULTIPLE - (length % SEQUENCE_MULTIPLE)) % SEQUENCE_MULTIPLE;
  if (missing === 0) return x;
  const ones = g.constant(new Float32Array(batch * missing).fill(1), [batch, missing, 1]);
  const token = g.reshape(g.weight(`${name}.weight`, [1, width]), [1, 1, width]);
  return g.concat([x, g.mul(ones, token)], 1);
}

/** One block; `time` undefined: without modulation (the text refiner). */
function block(g: GraphBuilder, x: Value, rope: RopeTables, config: ZImageConfig, time: Value | undefined): Value {
  const { width, heads, headDim, mlpWidth } = config;
  const norm = (value: Value, name: string) =>
    g.rmsNorm(value, `${name}.weight`, { eps: NORM_EPS.zImageAttentionNorm });
  const [scaleAttn, gateAttn, scaleMlp, gateMlp] = time
    ? chunks(g, g.linear(time, 'adaLN_modulation.0', { out: 4 * width }), 4)
    : [];
  const scaled = (value: Value, scale: Value | undefined) => (scale ? g.modulate(value, scale) : value);
  const gate = (value: Value, by: Value | undefined) => (by ? g.mul(g.activation(by, 'tanh'), value) : value);

  const attn = g.at('attention');
  const { q, k, v } = projectQkv(attn, scaled(norm(x, 'attention_norm1'), scaleAttn), NAMES, {
    width,
    headDim,
    bias: false,
    eps: NORM_EPS.zImageQkNorm,
  });
  const turn = (value: Value) => attn.rope(value, rope.cos, rope.sin, { heads, pairing: 'interleaved' });
  const attended = attn.linear(attn.attention(turn(q), turn(k), v, { heads }), 'to_out.0', { out: width, bias: false });
  attn.tap('', attended);
  const h = g.add(x, gate(norm(attended, 'attention_norm2'), gateAttn));

  const ff = g.at('feed_forward');
  const n2 = scaled(norm(h, 'ffn_norm1'), scaleMlp);
  const active = ff.linear(n2, 'w1', { out: mlpWidth, bias: false, activation: 'silu' });
  const hidden = g.mul(active, ff.linear(n2, 'w3', { out: mlpWidth, bias: false }));
  const mlp = ff.linear(hidden, 'w2', { out: width, bias: false });
  ff.tap('', mlp);
  const y = g.add(h, gate(norm(mlp, 'ffn_norm2'), gateMlp));
  g.tap('', y);
  return y;
}

/**
 * The denoiser's graph. `x` image [N, 16, h, w], `timestep` sigma in 0..1, `context` Qwen3 states of the real tokens.
 * Output `prediction`: velocity (the network's own output negated; it takes 1 - sigma).
 */
export function buildZImage(part: ModelPart<ZImageConfig>, spec: DenoiserSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, height, width, tokens } = spec;
  checkAxes(config);
  const g = GraphBuilder.create('z-image', weightResolver(weights));
  const input = g.input('x', [batch, config.channels, height, width], { layout: 'image' });
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, config.contextWidth]);

  const clock = g.unary(timestep, { kind: 'affine', scale: -1, offset: 1 });
  const features = g.timestepEmbedding(clock, { dim: 256, scale: 1000 });
  const timeHidden = g.linear(features, 't_embedder.mlp.0', { out: config.timeHidden, activation: 'silu' });
  const time = g.linear(timeHidden, 't_embedder.mlp.2', { out: config.timeWidth });
  g.tap('t_embedder', time);

  const cells = { height: height / 2, width: width / 2 };
  const length = cells.height * cells.width;
  const embedded = g.linear(g.imageToTokens(g.pixelUnshuffle(input, 2, 'yxc')), 'x_embedder', { out: config.width });
  let image = fillUp(g, embedded, 'x_pad_token', config);
  const textEmbedded = g.linear(
    g.rmsNorm(context, 'cap_embedder.0.weight', { eps: NORM_EPS.zImageAttentionNorm }),
    'cap_embedder.1',
    {
      out: config.width,
    },
  );
  let text = fillUp(g, textEmbedded, 'cap_pad_token', config);

  const [imageLength = 0, textLength = 0] = [image.shape[1], text.shape[1]];
  const imagePositions: Position[] = gridPositions(cells.height, cells.width, (row, column) => [
    textLength + 1,
    row,
    column,
  ]);
  while (imagePositions.length < imageLength) imagePositions.push([0, 0, 0]);
  const textPositions: Position[] = Array.from({ length: textLength }, (_, i) => [1 + i, 0, 0]);
  const axes = { axes: config.ropeAxes, theta: config.ropeTheta };
  const imageRope = ropeTables(g, imagePositions, axes);
  const textRope = ropeTables(g, textPositions, axes);
  const rope = ropeTables(g, [...imagePositions, ...textPositions], axes);

  for (let i = 0; i < config.refiners; i += 1)
    image = block(g.at(`noise_refiner.${i}`), image, imageRope, config, time);
  for (let i = 0; i < config.refiners; i += 1)
    text = block(g.at(`context_refiner.${i}`), text, textRope, config, undefined);
  let x = g.concat([image, text], 1);
  for (let i = 0; i < config.layers; i += 1) x = block(g.at(`layers.${i}`), x, rope, config, time);

  const [scale] = chunks(
    g,
    g.linear(g.activation(time, 'silu'), 'final_layer.adaLN_modulation.1', { out: config.width }),
    1,
  );
  const normed = g.layerNorm(g.slice(x, 1, 0, length), '', { eps: NORM_EPS.zImageFinalNorm, affine: 'none' });
  const y = g.linear(scale ? g.modulate(normed, scale) : normed, 'final_layer.linear', { out: 4 * config.channels });
  const raw = g.pixelShuffle(g.tokensToImage(y, cells.height, cells.width), 2, 'yxc');
  g.output('prediction', g.unary(raw, { kind: 'affine', scale: -1, offset: 0 }));
  return { graph: g.finish(), weights };
}
