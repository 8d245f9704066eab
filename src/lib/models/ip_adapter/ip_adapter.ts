/** IP-Adapter (plain): picture prompts as extra context tokens. Source: Ye et al. 2023; tencent-ailab/IP-Adapter (Apache-2.0). */
import { GraphBuilder } from '../../graph/builder';
import { weightResolver, type NamedWeight, type WeightMap } from '../../graph/weights';
import { AppError } from '../../base/errors';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import type { UNetConfig } from '../unet/config';

export interface IpAdapterConfig {
  /** Width of the picture embedding that comes in. */
  readonly imageWidth: number;
  readonly contextWidth: number;
  /** Context tokens per picture. */
  readonly tokens: number;
  /** Numbers of the attention layers that the file has weights for. */
  readonly layers: readonly number[];
}

/** The adapter in a view, or undefined. */
export function findIpAdapter(view: TensorView, file: string): ModelPart<IpAdapterConfig> | undefined {
  const layers = [...view.tensors.keys()].flatMap((name) => {
    const match = /^ip_adapter\.(\d+)\.to_k_ip\.weight$/.exec(name);
    return match ? [Number(match[1])] : [];
  });
  if (layers.length === 0) return undefined;
  if (!view.has('image_proj.proj.weight')) {
    throw new AppError(
      'model/unsupported',
      `${file}: only plain IP-Adapters (image_proj.proj) run, this one projects with ${view.has('image_proj.latents') ? 'a resampler ("plus")' : 'another network'}; choose a plain one.`,
      { details: { file } },
    );
  }
  const contextWidth = view.size('image_proj.norm.weight', 0);
  const config: IpAdapterConfig = {
    imageWidth: view.size('image_proj.proj.weight', 1),
    contextWidth,
    tokens: contextWidth > 0 ? view.size('image_proj.proj.weight', 0) / contextWidth : 0,
    layers: layers.sort((a, b) => a - b),
  };
  const weights = new Map<string, NamedWeight>();
  for (const [name, tensor] of view.tensors) weights.set(name, { tensor });
  return {
    role: 'ip-adapter',
    architecture: 'ip-adapter',
    layout: 'original',
    prefix: view.prefix,
    config,
    weights,
    file,
  };
}

/** Cross-attentions of a U-Net in the order that adapters number them: down levels, up levels, middle block. */
function crossAttentions({ down, mid, up }: Pick<UNetConfig, 'down' | 'mid' | 'up'>): string[] {
  const names: string[] = [];
  const add = (attention: string, depth: number) => {
    for (let b = 0; b < depth; b += 1) names.push(`${attention}.transformer_blocks.${b}.attn2`);
  };
  for (const [half, levels] of [
    ['down_blocks', down],
    ['up_blocks', up],
  ] as const) {
    for (const [i, level] of levels.entries()) {
      for (const [j, { depth }] of level.blocks.entries()) add(`${half}.${i}.attentions.${j}`, depth);
    }
  }
  if (mid) add('mid_block.attentions.0', mid.depth);
  return names;
}

/**
 * The adapter's keys and values by the names that the U-Net's graph asks for.
 * @param index  position among the picture prompts of the graph
 * @throws AppError 'model/wrong-shape' when the adapter was made for another U-Net
 */
export function ipAdapterWeights(part: ModelPart<IpAdapterConfig>, unet: UNetConfig, index = 0): WeightMap {
  const modules = crossAttentions(unet);
  if (modules.length !== part.config.layers.length || unet.contextWidth !== part.config.contextWidth) {
    throw new AppError(
      'model/wrong-shape',
      `${part.file}: the IP-Adapter has ${part.config.layers.length} attentions of context width ${part.config.contextWidth}, the model has ${modules.length} of ${unet.contextWidth}; it belongs to another model family.`,
      { details: { adapter: part.config.layers.length, model: modules.length } },
    );
  }
  const weights = new Map<string, NamedWeight>();
  for (const [i, module] of modules.entries()) {
    for (const leaf of ['to_k_ip', 'to_v_ip']) {
      const weight = part.weights.get(`ip_adapter.${part.config.layers[i]}.${leaf}.weight`);
      if (weight) weights.set(`${module}.${leaf}.${index}.weight`, weight);
    }
  }
  return weights;
}

/** Graph: `imageEmbeds` [N, imageWidth] → `imageTokens` [N, tokens, contextWidth]. */
export function buildImageProjection(part: ModelPart<IpAdapterConfig>, batch: number): BuiltGraph {
  const { imageWidth, contextWidth, tokens } = part.config;
  const g = GraphBuilder.create('ip-adapter projection', weightResolver(part.weights)).at('image_proj');
  const projected = g.linear(g.input('imageEmbeds', [batch, imageWidth]), 'proj', { out: tokens * contextWidth });
  g.output('imageTokens', g.layerNorm(g.reshape(projected, [batch, tokens, contextWidth]), 'norm', { eps: 1e-5 }));
  return { graph: g.finish(), weights: part.weights };
}
