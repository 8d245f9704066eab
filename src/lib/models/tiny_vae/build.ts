/** Tiny autoencoders: finding them and their graphs. Source: madebyollin/taesd, `taesd.py` (MIT). */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver, type NamedWeight } from '../../graph/weights';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { readTinyVae, tinySides, type TinyEntry, type TinySides, type TinyVaeConfig } from './config';

function sideWeights(view: TensorView, sides: TinySides, side: 'encoder' | 'decoder', entries: readonly TinyEntry[]) {
  const weights: [string, NamedWeight][] = [];
  const name = sides[side];
  if (!name) return weights;
  for (const { kind, index } of entries) {
    const leaves = kind === 'conv' ? ['weight', 'bias'] : [];
    if (kind === 'block') {
      for (const layer of ['conv.0', 'conv.2', 'conv.4', 'skip', 'pool.0', 'pool.1', 'pool.3'])
        leaves.push(`${layer}.weight`, `${layer}.bias`);
    }
    for (const leaf of leaves) {
      const tensor = view.tensors.get(`${name(index)}.${leaf}`);
      if (tensor) weights.push([`${side}.${index}.${leaf}`, { tensor }]);
    }
  }
  return weights;
}

/** The tiny autoencoder (or one half of it) in a view, or undefined. */
export function findTinyVae(view: TensorView, file: string): ModelPart<TinyVaeConfig> | undefined {
  const sides = tinySides(view);
  if (!sides) return undefined;
  const config = readTinyVae(view, sides);
  if (!config) return undefined;
  const weights = new Map([
    ...sideWeights(view, sides, 'encoder', config.encoder ?? []),
    ...sideWeights(view, sides, 'decoder', config.decoder ?? []),
  ]);
  return { role: 'vae', architecture: 'tiny-vae', layout: sides.layout, prefix: view.prefix, config, weights, file };
}

function block(g: GraphBuilder, input: Value, { out, branch }: Extract<TinyEntry, { kind: 'block' }>): Value {
  let x = input;
  if (branch > 0) {
    const wide = g.conv2d(x, 'pool.0', { out: branch, kernel: 1, bias: false });
    const normed = g.groupNorm(wide, 'pool.1', { groups: 4, eps: 1e-5, activation: 'relu' });
    x = g.add(x, g.conv2d(normed, 'pool.3', { out: x.shape[1] ?? 0, kernel: 1, bias: false }));
  }
  let h = g.conv2d(x, 'conv.0', { out, kernel: 3, activation: 'relu' });
  h = g.conv2d(h, 'conv.2', { out, kernel: 3, activation: 'relu' });
  h = g.conv2d(h, 'conv.4', { out, kernel: 3 });
  const skip = x.shape[1] === out ? x : g.conv2d(x, 'skip', { out, kernel: 1, bias: false });
  return g.activation(g.add(h, skip), 'relu');
}

/** Model-side latent [N, C, h, w] → pixels 0..1 (not clamped). A convolution without bias follows each enlargement. */
function tinyDecoder(top: GraphBuilder, entries: readonly TinyEntry[], latent: Value): Value {
  const g = top.at('decoder');
  let h = g.unary(latent, { kind: 'affine', scale: 1 / 3, offset: 0 });
  h = g.unary(g.activation(h, 'tanh'), { kind: 'affine', scale: 3, offset: 0 });
  for (const [i, entry] of entries.entries()) {
    const at = g.at(entry.index);
    const upsample = entry.kind === 'conv' && !entry.bias ? 2 : 1;
    h =
      entry.kind === 'block'
        ? block(at, h, entry)
        : g.conv2d(h, String(entry.index), { out: entry.out, kernel: 3, bias: entry.bias, upsample });
    at.tap('', h);
    if (i === 0) h = g.activation(h, 'relu');
  }
  return h;
}

/** Pixels 0..1 [N, 3, H, W] → model-side latent. Convolutions without bias halve the size. */
function tinyEncoder(top: GraphBuilder, entries: readonly TinyEntry[], pixels: Value): Value {
  const g = top.at('encoder');
  let h = pixels;
  for (const entry of entries) {
    const at = g.at(entry.index);
    if (entry.kind === 'block') h = block(at, h, entry);
    else {
      const stride = entry.bias ? 1 : 2;
      h = g.conv2d(h, String(entry.index), { out: entry.out, kernel: 3, bias: entry.bias, stride, pad: 1 });
    }
    at.tap('', h);
  }
  return h;
}

/** Pixels per latent cell. */
export function tinyStride({ encoder, decoder }: TinyVaeConfig): number {
  return 2 ** (decoder ?? encoder ?? []).filter((entry) => entry.kind === 'conv' && !entry.bias).length;
}

/** Whether a denoiser's latents are 2x2 patches of this autoencoder's (FLUX.2), or its own; undefined: neither. */
export function tinyPacking(
  config: TinyVaeConfig,
  latent: { readonly channels: number; readonly stride: number },
): 'plain' | 'packed' | undefined {
  if (config.latentChannels === latent.channels) return 'plain';
  const patches = 4 * config.latentChannels === latent.channels && 2 * tinyStride(config) === latent.stride;
  return patches ? 'packed' : undefined;
}

export interface TinyVaeSpec {
  readonly batch: number;
  /** Latent cells. */
  readonly height: number;
  readonly width: number;
  /** The denoiser's latents are 2x2 patches of the autoencoder's (FLUX.2): four times the channels, half the sides. */
  readonly packed?: boolean;
  readonly circular?: boolean;
}

/** Decoder graph. Input `latent` image; output `pixels` image 0..1. Both ranges are the model's own. */
export function buildTinyDecoder(part: ModelPart<TinyVaeConfig>, spec: TinyVaeSpec): BuiltGraph {
  const { batch, height, width, packed = false, circular = false } = spec;
  const g = GraphBuilder.create('tiny vae decoder', weightResolver(part.weights), { circular });
  const channels = part.config.latentChannels * (packed ? 4 : 1);
  const latent = g.input('latent', [batch, channels, height, width], { layout: 'image' });
  const cells = packed ? g.pixelShuffle(latent, 2, 'cyx') : latent;
  g.output('pixels', tinyDecoder(g, part.config.decoder ?? [], cells));
  return { graph: g.finish(), weights: part.weights };
}

/** Encoder graph. Input `pixels` image 0..1; output `latent` image. */
export function buildTinyEncoder(part: ModelPart<TinyVaeConfig>, spec: TinyVaeSpec): BuiltGraph {
  const { batch, height, width, packed = false, circular = false } = spec;
  const g = GraphBuilder.create('tiny vae encoder', weightResolver(part.weights), { circular });
  const stride = tinyStride(part.config) * (packed ? 2 : 1);
  const pixels = g.input('pixels', [batch, 3, height * stride, width * stride], { layout: 'image' });
  const latent = tinyEncoder(g, part.config.encoder ?? [], pixels);
  g.output('latent', packed ? g.pixelUnshuffle(latent, 2, 'cyx') : latent);
  return { graph: g.finish(), weights: part.weights };
}
