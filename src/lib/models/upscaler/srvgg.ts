/** The compact upscaler of Real-ESRGAN (SRVGG). Source: xinntao/Real-ESRGAN `srvgg_arch.py` (BSD-3). */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver, type NamedWeight } from '../../graph/weights';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface SrvggConfig {
  readonly features: number;
  /** Convolutions, first and last included; each but the last is followed by a PReLU. */
  readonly convolutions: number;
  readonly scale: number;
}

/** The upscaler in a view, or undefined. */
export function findSrvgg(view: TensorView, file: string): ModelPart<SrvggConfig> | undefined {
  const isConv = (i: number) => view.shape(`body.${i}.weight`)?.length === 4;
  if (!isConv(0) || !isConv(2) || view.shape('body.1.weight')?.length !== 1 || view.has('conv_first.weight'))
    return undefined;
  let last = 0;
  while (isConv(last + 2)) last += 2;
  const config: SrvggConfig = {
    features: view.size('body.0.weight', 0),
    convolutions: last / 2 + 1,
    scale: Math.round(Math.sqrt(view.size(`body.${last}.weight`, 0) / 3)),
  };
  const weights = new Map<string, NamedWeight>();
  for (const [name, tensor] of view.tensors) if (name.startsWith('body.')) weights.set(name, { tensor });
  return { role: 'upscaler', architecture: 'srvgg', layout: 'basicsr', prefix: view.prefix, config, weights, file };
}

/** max(x, 0) + slope · min(x, 0), one slope per channel. */
function prelu(g: GraphBuilder, x: Value, name: string): Value {
  const channels = x.shape[1] ?? 0;
  const slope = g.vectorToImage(g.reshape(g.weight(`${name}.weight`, [channels]), [1, channels]));
  const positive = g.activation(x, 'relu');
  return g.add(positive, g.mul(g.sub(x, positive), slope));
}

/** Graph: `image` [N, 3, H, W] 0..1 → `pixels` image [N, 3, s·H, s·W], not clamped. */
export function buildSrvgg(
  part: ModelPart<SrvggConfig>,
  spec: { batch: number; height: number; width: number },
): BuiltGraph {
  const { features, convolutions, scale } = part.config;
  const g = GraphBuilder.create('srvgg', weightResolver(part.weights));
  const image = g.input('image', [spec.batch, 3, spec.height, spec.width], { layout: 'image' });
  let h = image;
  for (let i = 0; i < convolutions; i += 1) {
    const last = i === convolutions - 1;
    h = g.conv2d(h, `body.${2 * i}`, { out: last ? 3 * scale * scale : features, kernel: 3 });
    g.tap(`body.${2 * i}`, h);
    if (!last) h = prelu(g, h, `body.${2 * i + 1}`);
  }
  const sharp = scale > 1 ? g.pixelShuffle(h, scale, 'cyx') : h;
  g.output('pixels', g.add(sharp, scale > 1 ? g.upsampleNearest(image, scale) : image));
  return { graph: g.finish(), weights: part.weights };
}
