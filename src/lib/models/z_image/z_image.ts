/** Z-Image transformer: detection and names. Source: Tongyi-MAI/Z-Image; diffusers `transformer_z_image.py`. */
import type { LayerNames } from '../names';
import { mapWeights } from '../names';
import type { ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface ZImageConfig {
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly layers: number;
  readonly refiners: number;
  readonly mlpWidth: number;
  readonly contextWidth: number;
  /** Latent channels. */
  readonly channels: number;
  readonly timeHidden: number;
  readonly timeWidth: number;
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
}

type ZLayout = 'original' | 'diffusers';

/** Blocks of a part, in file order. */
const Z_PARTS = ['noise_refiner', 'context_refiner', 'layers'] as const;

function layoutOf(view: TensorView): ZLayout | undefined {
  const base = view.has('cap_embedder.1.weight') && view.has('cap_pad_token') && view.has('x_pad_token');
  if (!base) return undefined;
  if (view.has('layers.0.attention.qkv.weight')) return 'original';
  return view.has('layers.0.attention.to_q.weight') ? 'diffusers' : undefined;
}

function readZImage(view: TensorView, layout: ZLayout, hints: ConfigHints | undefined): ZImageConfig {
  const original = layout === 'original';
  const patch = original ? 'x_embedder.weight' : 'all_x_embedder.2-1.weight';
  const width = view.size(patch, 0);
  const headDim = view.size(`layers.0.attention.${original ? 'q_norm' : 'norm_q'}.weight`, 0);
  return {
    width,
    headDim,
    heads: headDim > 0 ? width / headDim : 0,
    layers: view.count((i) => `layers.${i}.attention_norm1.weight`),
    refiners: view.count((i) => `noise_refiner.${i}.attention_norm1.weight`),
    mlpWidth: view.size('layers.0.feed_forward.w1.weight', 0),
    contextWidth: view.size('cap_embedder.1.weight', 1),
    channels: view.size(patch, 1) / 4,
    timeHidden: view.size('t_embedder.mlp.0.weight', 0),
    timeWidth: view.size('t_embedder.mlp.2.weight', 0),
    ropeAxes: hints?.ropeAxes ?? [headDim / 4, (headDim * 3) / 8, (headDim * 3) / 8],
    ropeTheta: hints?.ropeTheta ?? 256,
  };
}

/** Every layer of the transformer; the original fuses q, k, v. */
export function* zImageLayers({ width, layers, refiners }: ZImageConfig): Generator<LayerNames> {
  const pair = (canonical: string, original: string, diffusers = canonical): LayerNames => ({
    canonical,
    places: { original: { layer: original }, diffusers: { layer: diffusers } },
  });
  const bare = (name: string): LayerNames => ({
    canonical: name,
    places: { original: { layer: name, weight: name }, diffusers: { layer: name, weight: name } },
  });
  yield pair('x_embedder', 'x_embedder', 'all_x_embedder.2-1');
  yield bare('x_pad_token');
  yield bare('cap_pad_token');
  for (const same of ['t_embedder.mlp.0', 't_embedder.mlp.2', 'cap_embedder.0', 'cap_embedder.1'])
    yield pair(same, same);
  for (const part of Z_PARTS) {
    for (let i = 0; i < (part === 'layers' ? layers : refiners); i += 1) {
      const at = `${part}.${i}`;
      const attn = `${at}.attention`;
      for (const [k, name] of ['to_q', 'to_k', 'to_v'].entries()) {
        const rows = { start: k * width, count: width };
        yield { canonical: `${attn}.${name}`, places: { original: { layer: `${attn}.qkv`, rows } } };
      }
      yield pair(`${attn}.to_out.0`, `${attn}.out`);
      yield pair(`${attn}.norm_q`, `${attn}.q_norm`);
      yield pair(`${attn}.norm_k`, `${attn}.k_norm`);
      for (const name of ['adaLN_modulation.0', 'attention_norm1', 'attention_norm2', 'ffn_norm1', 'ffn_norm2']) {
        yield pair(`${at}.${name}`, `${at}.${name}`);
      }
      for (const name of ['w1', 'w2', 'w3']) yield pair(`${at}.feed_forward.${name}`, `${at}.feed_forward.${name}`);
    }
  }
  yield pair(
    'final_layer.adaLN_modulation.1',
    'final_layer.adaLN_modulation.1',
    'all_final_layer.2-1.adaLN_modulation.1',
  );
  yield pair('final_layer.linear', 'final_layer.linear', 'all_final_layer.2-1.linear');
}

/** The transformer in a view, or undefined. */
export function findZImage(view: TensorView, file: string, hints?: ConfigHints): ModelPart<ZImageConfig> | undefined {
  const layout = layoutOf(view);
  if (!layout) return undefined;
  const config = readZImage(view, layout, hints);
  const weights = mapWeights(zImageLayers(config), view, layout);
  return { role: 'denoiser', architecture: 'z-image', layout, prefix: view.prefix, config, weights, file };
}
