/** SD3 and SD3.5 MMDiT: detection and names. Source: Esser et al. 2024; Stability-AI/sd3.5 `mmditx.py`. */
import type { LayerNames, LayerPlace } from '../names';
import { mapWeights } from '../names';
import type { ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';

export interface Sd3Config {
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly blocks: number;
  readonly mlpWidth: number;
  readonly channels: number;
  readonly contextWidth: number;
  readonly pooledWidth: number;
  /** Side of the stored position table, patches. */
  readonly positionSide: number;
  readonly qkNorm: boolean;
  /** Blocks with a second self-attention over the picture (3.5 medium). */
  readonly dualBlocks: readonly number[];
}

type Sd3Layout = 'original' | 'diffusers';

function layoutOf(view: TensorView): Sd3Layout | undefined {
  if (view.has('joint_blocks.0.context_block.attn.qkv.weight')) return 'original';
  return view.has('pos_embed.proj.weight') && view.has('transformer_blocks.0.attn.add_q_proj.weight')
    ? 'diffusers'
    : undefined;
}

function readSd3(view: TensorView, layout: Sd3Layout, hints: ConfigHints | undefined): Sd3Config {
  const original = layout === 'original';
  const pick = (a: string, b: string) => (original ? a : b);
  const block = (i: number) => (original ? `joint_blocks.${i}.x_block` : `transformer_blocks.${i}`);
  const patch = pick('x_embedder.proj.weight', 'pos_embed.proj.weight');
  const width = view.size(patch, 0);
  const blocks = view.count((i) => `${block(i)}.${pick('adaLN_modulation.1', 'norm1.linear')}.weight`);
  const norm = `${block(0)}.attn.${pick('ln_q', 'norm_q')}.weight`;
  const second = (i: number) => `${block(i)}.attn2.${pick('proj', 'to_out.0')}.weight`;
  const given = typeof hints?.heads === 'number' ? hints.heads : undefined;
  // Published models: as many heads as blocks, 64 wide.
  const headDim = given ? width / given : view.has(norm) ? view.size(norm, 0) : 64;
  const table = view.size(pick('pos_embed', 'pos_embed.pos_embed'), 1);
  return {
    width,
    headDim,
    heads: width / headDim,
    blocks,
    mlpWidth: view.size(`${block(0)}.${pick('mlp.fc1', 'ff.net.0.proj')}.weight`, 0),
    channels: view.size(patch, 1),
    contextWidth: view.size('context_embedder.weight', 1),
    pooledWidth: view.size(pick('y_embedder.mlp.0.weight', 'time_text_embed.text_embedder.linear_1.weight'), 1),
    positionSide: Math.round(Math.sqrt(table)),
    qkNorm: view.has(norm),
    dualBlocks: Array.from({ length: blocks }, (_, i) => i).filter((i) => view.has(second(i))),
  };
}

function pair(canonical: string, original: string): LayerNames {
  return { canonical, places: { original: { layer: original } } };
}

function* qkv(canonical: readonly string[], original: string, width: number): Generator<LayerNames> {
  for (const [i, name] of canonical.entries()) {
    yield { canonical: name, places: { original: { layer: original, rows: { start: i * width, count: width } } } };
  }
}

/** (shift, scale) of a last norm: the original stores shift first, diffusers scale first. */
function* lastNorm(canonical: string, original: string, diffusers: string, width: number): Generator<LayerNames> {
  const rows = (layer: string, start: number): LayerPlace => ({ layer, rows: { start, count: width } });
  yield { canonical: `${canonical}.shift`, places: { original: rows(original, 0), diffusers: rows(diffusers, width) } };
  yield { canonical: `${canonical}.scale`, places: { original: rows(original, width), diffusers: rows(diffusers, 0) } };
}

/** Every layer of the transformer. */
export function* sd3Layers({ width, blocks }: Sd3Config): Generator<LayerNames> {
  const table = 'pos_embed.pos_embed';
  yield {
    canonical: table,
    places: { original: { layer: 'pos_embed', weight: 'pos_embed' }, diffusers: { layer: table, weight: table } },
  };
  yield pair('pos_embed.proj', 'x_embedder.proj');
  for (const [a, b] of [
    ['timestep_embedder', 't_embedder'],
    ['text_embedder', 'y_embedder'],
  ]) {
    yield pair(`time_text_embed.${a}.linear_1`, `${b}.mlp.0`);
    yield pair(`time_text_embed.${a}.linear_2`, `${b}.mlp.2`);
  }
  yield pair('context_embedder', 'context_embedder');
  for (let i = 0; i < blocks; i += 1) {
    const a = `transformer_blocks.${i}`;
    const x = `joint_blocks.${i}.x_block`;
    const c = `joint_blocks.${i}.context_block`;
    yield pair(`${a}.norm1.linear`, `${x}.adaLN_modulation.1`);
    if (i < blocks - 1) yield pair(`${a}.norm1_context.linear`, `${c}.adaLN_modulation.1`);
    else yield* lastNorm(`${a}.norm1_context`, `${c}.adaLN_modulation.1`, `${a}.norm1_context.linear`, width);
    yield* qkv([`${a}.attn.to_q`, `${a}.attn.to_k`, `${a}.attn.to_v`], `${x}.attn.qkv`, width);
    yield* qkv([`${a}.attn.add_q_proj`, `${a}.attn.add_k_proj`, `${a}.attn.add_v_proj`], `${c}.attn.qkv`, width);
    yield pair(`${a}.attn.norm_q`, `${x}.attn.ln_q`);
    yield pair(`${a}.attn.norm_k`, `${x}.attn.ln_k`);
    yield pair(`${a}.attn.norm_added_q`, `${c}.attn.ln_q`);
    yield pair(`${a}.attn.norm_added_k`, `${c}.attn.ln_k`);
    yield pair(`${a}.attn.to_out.0`, `${x}.attn.proj`);
    yield pair(`${a}.attn.to_add_out`, `${c}.attn.proj`);
    yield* qkv([`${a}.attn2.to_q`, `${a}.attn2.to_k`, `${a}.attn2.to_v`], `${x}.attn2.qkv`, width);
    yield pair(`${a}.attn2.norm_q`, `${x}.attn2.ln_q`);
    yield pair(`${a}.attn2.norm_k`, `${x}.attn2.ln_k`);
    yield pair(`${a}.attn2.to_out.0`, `${x}.attn2.proj`);
    yield pair(`${a}.ff.net.0.proj`, `${x}.mlp.fc1`);
    yield pair(`${a}.ff.net.2`, `${x}.mlp.fc2`);
    yield pair(`${a}.ff_context.net.0.proj`, `${c}.mlp.fc1`);
    yield pair(`${a}.ff_context.net.2`, `${c}.mlp.fc2`);
  }
  yield* lastNorm('norm_out', 'final_layer.adaLN_modulation.1', 'norm_out.linear', width);
  yield pair('proj_out', 'final_layer.linear');
}

/** The transformer in a view, or undefined. */
export function findSd3(view: TensorView, file: string, hints?: ConfigHints): ModelPart<Sd3Config> | undefined {
  const layout = layoutOf(view);
  if (!layout) return undefined;
  const config = readSd3(view, layout, hints);
  const weights = mapWeights(sd3Layers(config), view, layout);
  return { role: 'denoiser', architecture: 'sd3', layout, prefix: view.prefix, config, weights, file };
}
