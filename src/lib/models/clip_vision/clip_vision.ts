/** CLIP vision tower (image prompts, interrogation). Source: Radford et al. 2021; huggingface/transformers `models/clip`. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { mapWeights, type LayerNames } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface ClipVisionConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly patch: number;
  /** Patches per side. */
  readonly grid: number;
  readonly projection: number;
  readonly activation: 'quickGelu' | 'gelu';
}

const EPS = 1e-5;
const ROOT = 'vision_model';

/** Every layer, transformers' names. `pre_layrnorm` is spelled so in the files. */
function* clipVisionLayers({ layers }: Pick<ClipVisionConfig, 'layers'>): Generator<LayerNames> {
  const same = (canonical: string): LayerNames => ({ canonical, places: {} });
  const className = `${ROOT}.embeddings.class_embedding`;
  yield { canonical: className, places: { transformers: { layer: className, weight: className } } };
  for (const name of [
    'embeddings.patch_embedding',
    'embeddings.position_embedding',
    'pre_layrnorm',
    'post_layernorm',
  ]) {
    yield same(`${ROOT}.${name}`);
  }
  for (let i = 0; i < layers; i += 1) {
    for (const name of ['layer_norm1', 'layer_norm2', 'mlp.fc1', 'mlp.fc2'])
      yield same(`${ROOT}.encoder.layers.${i}.${name}`);
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      yield same(`${ROOT}.encoder.layers.${i}.self_attn.${name}`);
  }
  yield same('visual_projection');
}

/** The vision tower in a view, or undefined. Published towers have 16 heads; only ViT-L (1024) uses quick-GELU. */
export function findClipVision(
  view: TensorView,
  file: string,
  hints?: ConfigHints,
): ModelPart<ClipVisionConfig> | undefined {
  const patches = `${ROOT}.embeddings.patch_embedding.weight`;
  if (!view.has(patches)) return undefined;
  const width = view.size(patches, 0);
  const positions = view.size(`${ROOT}.embeddings.position_embedding.weight`, 0);
  const config: ClipVisionConfig = {
    width,
    layers: view.count((i) => `${ROOT}.encoder.layers.${i}.layer_norm1.weight`),
    heads: typeof hints?.heads === 'number' ? hints.heads : 16,
    mlpWidth: view.size(`${ROOT}.encoder.layers.0.mlp.fc1.weight`, 0),
    patch: view.size(patches, 2),
    grid: Math.round(Math.sqrt(positions - 1)),
    projection: view.size('visual_projection.weight', 0),
    activation: hints?.activation ?? (width === 1024 ? 'quickGelu' : 'gelu'),
  };
  const weights = mapWeights(clipVisionLayers(config), view, 'transformers');
  return {
    role: 'clip-vision',
    architecture: 'clip-vision',
    layout: 'transformers',
    prefix: view.prefix,
    config,
    weights,
    file,
  };
}

function layer(g: GraphBuilder, x: Value, { width, heads, mlpWidth, activation }: ClipVisionConfig): Value {
  const n1 = g.layerNorm(x, 'layer_norm1', { eps: EPS });
  const attn = g.at('self_attn');
  const project = (name: string) => attn.linear(n1, name, { out: width });
  const attended = attn.attention(project('q_proj'), project('k_proj'), project('v_proj'), { heads });
  const h = g.add(x, attn.linear(attended, 'out_proj', { out: width }));
  const hidden = g.linear(g.layerNorm(h, 'layer_norm2', { eps: EPS }), 'mlp.fc1', { out: mlpWidth, activation });
  return g.add(h, g.linear(hidden, 'mlp.fc2', { out: width }));
}

/**
 * Graph: `pixels` image [N, 3, S, S], normalised with CLIP's mean and deviation → `imageEmbeds` [N, projection]
 * (class token, normed, projected) and `penultimate` [N, 1 + grid², width].
 */
export function buildClipVision(part: ModelPart<ClipVisionConfig>, batch: number): BuiltGraph {
  const { config } = part;
  const { width, layers, patch, grid, projection } = config;
  const g = GraphBuilder.create('clip-vision', weightResolver(part.weights));
  const root = g.at(ROOT);
  const pixels = g.input('pixels', [batch, 3, grid * patch, grid * patch], { layout: 'image' });
  const embeddings = root.at('embeddings');
  const patches = embeddings.conv2d(pixels, 'patch_embedding', {
    out: width,
    kernel: patch,
    stride: patch,
    pad: 0,
    bias: false,
  });
  const ones = g.constant(new Float32Array(batch).fill(1), [batch, 1, 1]);
  const first = g.mul(ones, g.reshape(embeddings.weight('class_embedding.weight', [width]), [1, 1, width]));
  const length = 1 + grid * grid;
  const positions = g.reshape(embeddings.weight('position_embedding.weight', [length, width]), [1, length, width]);
  let x = root.layerNorm(g.add(g.concat([first, g.imageToTokens(patches)], 1), positions), 'pre_layrnorm', {
    eps: EPS,
  });
  for (let i = 0; i < layers; i += 1) {
    if (i === layers - 1) g.output('penultimate', x);
    x = layer(root.at(`encoder.layers.${i}`), x, config);
  }
  const token = g.reshape(g.slice(x, 1, 0, 1), [batch, width]);
  const pooled = root.layerNorm(token, 'post_layernorm', { eps: EPS });
  g.output(
    'imageEmbeds',
    projection > 0 ? g.linear(pooled, 'visual_projection', { out: projection, bias: false }) : pooled,
  );
  return { graph: g.finish(), weights: part.weights };
}
