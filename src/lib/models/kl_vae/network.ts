/** AutoencoderKL as graphs. Source: Rombach et al. 2022; CompVis/stable-diffusion, `ldm/modules/diffusionmodules/model.py`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import type { KlVaeConfig } from './config';
import { NORM_EPS } from '../norm_eps';

function resnet(g: GraphBuilder, x: Value, out: number): Value {
  let h = g.groupNorm(x, 'norm1', { eps: NORM_EPS.vaeResnetNorm, activation: 'silu' });
  h = g.conv2d(h, 'conv1', { out, kernel: 3 });
  h = g.groupNorm(h, 'norm2', { eps: NORM_EPS.vaeResnetNorm, activation: 'silu' });
  h = g.conv2d(h, 'conv2', { out, kernel: 3 });
  const skip = x.shape[1] === out ? x : g.conv2d(x, 'conv_shortcut', { out, kernel: 1 });
  const y = g.add(skip, h);
  g.tap('', y);
  return y;
}

/** One head over all channels. The projections are 1x1 convolutions in original files, matrices in diffusers'. */
function attention(g: GraphBuilder, x: Value): Value {
  const [, channels = 0, height = 0, width = 0] = x.shape;
  const tokens = g.imageToTokens(g.groupNorm(x, 'group_norm', { eps: NORM_EPS.vaeAttentionNorm }));
  const q = g.linear(tokens, 'to_q', { out: channels });
  const k = g.linear(tokens, 'to_k', { out: channels });
  const v = g.linear(tokens, 'to_v', { out: channels });
  const y = g.linear(g.attention(q, k, v, { heads: 1 }), 'to_out.0', { out: channels });
  const out = g.add(x, g.tokensToImage(y, height, width));
  g.tap('', out);
  return out;
}

function middle(g: GraphBuilder, x: Value): Value {
  const channels = x.shape[1] ?? 0;
  let h = resnet(g.at('resnets.0'), x, channels);
  h = attention(g.at('attentions.0'), h);
  h = resnet(g.at('resnets.1'), h, channels);
  g.tap('', h);
  return h;
}

function head(g: GraphBuilder, h: Value, out: number): Value {
  const norm = g.groupNorm(h, 'conv_norm_out', { eps: NORM_EPS.vaeOutNorm });
  g.tap('conv_norm_out', norm);
  const y = g.conv2d(g.activation(norm, 'silu'), 'conv_out', { out, kernel: 3 });
  g.tap('conv_out', y);
  return y;
}

/** Pixels -1..1 [N, 3, H, W] → mean and log-variance of the raw latent [N, 2·C, h, w]. */
export function klEncoder(top: GraphBuilder, config: KlVaeConfig, pixels: Value): Value {
  const g = top.at('encoder');
  const { encoder, latentChannels, quantConv } = config;
  if (!encoder) return pixels;
  let h = g.conv2d(pixels, 'conv_in', { out: encoder.stem, kernel: 3 });
  g.tap('conv_in', h);
  for (const [i, level] of encoder.levels.entries()) {
    const at = g.at(`down_blocks.${i}`);
    for (const [j, channels] of level.blocks.entries()) h = resnet(at.at(`resnets.${j}`), h, channels);
    if (level.resample) {
      // Padded on the right and at the bottom only.
      h = at.conv2d(h, 'downsamplers.0.conv', { out: h.shape[1] ?? 0, kernel: 3, stride: 2, pad: [0, 1, 1, 0] });
    }
    at.tap('', h);
  }
  h = middle(g.at('mid_block'), h);
  h = head(g, h, 2 * latentChannels);
  return quantConv ? top.conv2d(h, 'quant_conv', { out: 2 * latentChannels, kernel: 1 }) : h;
}

/** Raw latent [N, C, h, w] → pixels -1..1 (not clamped). */
export function klDecoder(top: GraphBuilder, config: KlVaeConfig, latent: Value): Value {
  const g = top.at('decoder');
  const { decoder, latentChannels, postQuantConv } = config;
  if (!decoder) return latent;
  let h = latent;
  if (postQuantConv) {
    h = top.conv2d(h, 'post_quant_conv', { out: latentChannels, kernel: 1 });
    top.tap('post_quant_conv', h);
  }
  h = g.conv2d(h, 'conv_in', { out: decoder.stem, kernel: 3 });
  g.tap('conv_in', h);
  h = middle(g.at('mid_block'), h);
  for (const [i, level] of decoder.levels.entries()) {
    const at = g.at(`up_blocks.${i}`);
    for (const [j, channels] of level.blocks.entries()) h = resnet(at.at(`resnets.${j}`), h, channels);
    if (level.resample) h = at.conv2d(h, 'upsamplers.0.conv', { out: h.shape[1] ?? 0, kernel: 3, upsample: 2 });
    at.tap('', h);
  }
  return head(g, h, 3);
}

/** Per-channel mean and deviation of FLUX.2's packed latents as [1, 4C, 1, 1] images. */
function statistics(g: GraphBuilder, channels: number): { mean: Value; deviation: Value } {
  const image = (name: string) => g.vectorToImage(g.reshape(g.weight(name, [channels]), [1, channels]));
  const variance = g.unary(image('bn.running_var.weight'), { kind: 'affine', scale: 1, offset: 1e-4 });
  return { mean: image('bn.running_mean.weight'), deviation: g.unary(variance, { kind: 'sqrt' }) };
}

/** FLUX.2: model-side latents [N, 4C, h/2, w/2] → raw latents [N, C, h, w]. */
export function unpackNormalised(g: GraphBuilder, packed: Value): Value {
  const { mean, deviation } = statistics(g, packed.shape[1] ?? 0);
  return g.pixelShuffle(g.add(g.mul(packed, deviation), mean), 2, 'cyx');
}

/** FLUX.2: raw latents [N, C, h, w] → model-side latents [N, 4C, h/2, w/2]. */
export function packNormalised(g: GraphBuilder, latent: Value): Value {
  const packed = g.pixelUnshuffle(latent, 2, 'cyx');
  const { mean, deviation } = statistics(g, packed.shape[1] ?? 0);
  const variance = g.unary(deviation, { kind: 'square' });
  return g.mul(g.sub(packed, mean), g.unary(variance, { kind: 'rsqrt' }));
}
