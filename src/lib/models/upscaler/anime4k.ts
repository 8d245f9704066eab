/**
 * Anime4K's small CNN upscalers: seven 3x3 convolutions of four channels, all of them mixed at the end, a correction of
 * the bilinear picture. Source: bloc97/Anime4K, `Anime4K_Upscale_CNN_x2_M` (MIT).
 */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver, type NamedWeight } from '../../graph/weights';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface Anime4kConfig {
  readonly features: number;
  readonly convolutions: number;
  readonly scale: 2;
}

/** The upscaler in a view, or undefined. */
export function findAnime4k(view: TensorView, file: string): ModelPart<Anime4kConfig> | undefined {
  const features = view.size('conv.0.weight', 0);
  const mixed = view.shape('last.weight');
  if (view.shape('conv.0.weight')?.[1] !== 3 || mixed?.[0] !== 12) return undefined;
  let convolutions = 0;
  while (view.has(`conv.${convolutions}.weight`)) convolutions += 1;
  if (mixed[1] !== 2 * features * convolutions) return undefined;
  const weights = new Map<string, NamedWeight>();
  for (const [name, tensor] of view.tensors) if (/^(conv\.\d+|last)\./.test(name)) weights.set(name, { tensor });
  const config: Anime4kConfig = { features, convolutions, scale: 2 };
  return { role: 'upscaler', architecture: 'anime4k', layout: 'anime4k', prefix: view.prefix, config, weights, file };
}

/** Positive and negative part of every channel. Source: Shang et al. 2016, concatenated ReLU. */
function crelu(g: GraphBuilder, x: Value): Value {
  const negative = g.unary(x, { kind: 'affine', scale: -1, offset: 0 });
  return g.concat([g.activation(x, 'relu'), g.activation(negative, 'relu')], 1);
}

/**
 * Graph: `image` [N, 3, H, W] 0..1 and `base`, the same at twice the size by linear interpolation → `pixels`, not
 * clamped.
 */
export function buildAnime4k(
  part: ModelPart<Anime4kConfig>,
  spec: { batch: number; height: number; width: number },
): BuiltGraph {
  const { features, convolutions, scale } = part.config;
  const g = GraphBuilder.create('anime4k', weightResolver(part.weights));
  const { batch, height, width } = spec;
  let h = g.input('image', [batch, 3, height, width], { layout: 'image' });
  const base = g.input('base', [batch, 3, scale * height, scale * width], { layout: 'image' });
  const parts: Value[] = [];
  for (let i = 0; i < convolutions; i++) {
    h = crelu(g, g.conv2d(h, `conv.${i}`, { out: features, kernel: 3 }));
    parts.push(h);
  }
  const mixed = g.conv2d(g.concat(parts, 1), 'last', { out: 3 * scale * scale, kernel: 1 });
  g.output('pixels', g.add(g.pixelShuffle(mixed, scale, 'cyx'), base));
  return { graph: g.finish(), weights: part.weights };
}
