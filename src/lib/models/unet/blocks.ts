/** Blocks of the Stable Diffusion U-Net, shared with ControlNet. Source: Rombach et al. 2022; CompVis/stable-diffusion, `ldm/modules`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { NORM_EPS } from '../norm_eps';

export interface TransformerContext {
  readonly context: Value;
  /** Picture prompts, each as tokens [N, T, C] and their weight [N|1, 1, 1]; see IP-Adapter. */
  readonly images?: readonly { readonly tokens: Value; readonly scale: Value }[];
}

/** Residual block; `time` is the activated time vector [N, timeWidth]. */
export function resnet(g: GraphBuilder, x: Value, time: Value, out: number): Value {
  let h = g.groupNorm(x, 'norm1', { eps: NORM_EPS.sdUnetResnetNorm, activation: 'silu' });
  h = g.conv2d(h, 'conv1', { out, kernel: 3 });
  h = g.add(h, g.vectorToImage(g.linear(time, 'time_emb_proj', { out })));
  h = g.groupNorm(h, 'norm2', { eps: NORM_EPS.sdUnetResnetNorm, activation: 'silu' });
  h = g.conv2d(h, 'conv2', { out, kernel: 3 });
  const skip = x.shape[1] === out ? x : g.conv2d(x, 'conv_shortcut', { out, kernel: 1 });
  const y = g.add(skip, h);
  g.tap('', y);
  return y;
}

function attention(g: GraphBuilder, x: Value, { context, images = [] }: TransformerContext, heads: number): Value {
  const width = x.shape[2] ?? 0;
  const q = g.linear(x, 'to_q', { out: width, bias: false });
  const k = g.linear(context, 'to_k', { out: width, bias: false });
  const v = g.linear(context, 'to_v', { out: width, bias: false });
  let y = g.attention(q, k, v, { heads });
  for (const [i, image] of images.entries()) {
    const ik = g.linear(image.tokens, `to_k_ip.${i}`, { out: width, bias: false });
    const iv = g.linear(image.tokens, `to_v_ip.${i}`, { out: width, bias: false });
    y = g.add(y, g.mul(g.attention(q, ik, iv, { heads }), image.scale));
  }
  y = g.linear(y, 'to_out.0', { out: width });
  g.tap('', y);
  return y;
}

function transformerBlock(g: GraphBuilder, x: Value, conditions: TransformerContext, heads: number): Value {
  const width = x.shape[2] ?? 0;
  const norm = (name: string, value: Value) => g.layerNorm(value, name, { eps: NORM_EPS.sdUnetBlockLayerNorm });
  const n1 = norm('norm1', x);
  g.tap('norm1', n1);
  let h = g.add(x, attention(g.at('attn1'), n1, { context: n1 }, heads));
  h = g.add(h, attention(g.at('attn2'), norm('norm2', h), conditions, heads));
  // The feed-forward's width is 4·D in every published model; the hidden layer is gated, so 8·D comes out of the first.
  const gated = g.gatedActivation(g.linear(norm('norm3', h), 'ff.net.0.proj', { out: 8 * width }), {
    activation: 'gelu',
    gate: 'second',
  });
  const ff = g.linear(gated, 'ff.net.2', { out: width });
  g.tap('ff', ff);
  h = g.add(h, ff);
  g.tap('', h);
  return h;
}

/** Transformer over the pixels of a feature map, with cross-attention to the context. */
export function spatialTransformer(
  g: GraphBuilder,
  x: Value,
  conditions: TransformerContext,
  options: { depth: number; heads: number; linearProjection: boolean },
): Value {
  const [, channels = 0, height = 0, width = 0] = x.shape;
  const { depth, heads, linearProjection } = options;
  const norm = g.groupNorm(x, 'norm', { eps: NORM_EPS.sdUnetTransformerNorm });
  g.tap('norm', norm);
  let h: Value;
  if (linearProjection) {
    h = g.linear(g.imageToTokens(norm), 'proj_in', { out: channels });
    g.tap('proj_in', h);
  } else {
    const projected = g.conv2d(norm, 'proj_in', { out: channels, kernel: 1 });
    g.tap('proj_in', projected);
    h = g.imageToTokens(projected);
  }
  for (let i = 0; i < depth; i += 1) h = transformerBlock(g.at(`transformer_blocks.${i}`), h, conditions, heads);
  const y = linearProjection
    ? g.tokensToImage(g.linear(h, 'proj_out', { out: channels }), height, width)
    : g.conv2d(g.tokensToImage(h, height, width), 'proj_out', { out: channels, kernel: 1 });
  const out = g.add(x, y);
  g.tap('', out);
  return out;
}

/**
 * Twice as large, then a convolution. Where the encoder halved an odd side (rounding up), the last row or column is
 * left out, so that the result fits the skip connection: the same as interpolating to the skip's size by nearest
 * neighbour. Source: ComfyUI `comfy/ldm/modules/diffusionmodules/openaimodel.py` (Upsample with an output shape).
 */
export function upsampleTo(g: GraphBuilder, h: Value, skip: Value | undefined): Value {
  const [, out = 0, height = 0, width = 0] = h.shape;
  const [, , skipHeight = 2 * height, skipWidth = 2 * width] = skip?.shape ?? [];
  if (skipHeight === 2 * height && skipWidth === 2 * width) {
    return g.conv2d(h, 'conv', { out, kernel: 3, upsample: 2 });
  }
  let large = g.upsampleNearest(h, 2);
  if (skipHeight < 2 * height) large = g.slice(large, 2, 0, skipHeight);
  if (skipWidth < 2 * width) large = g.slice(large, 3, 0, skipWidth);
  return g.conv2d(large, 'conv', { out, kernel: 3 });
}
