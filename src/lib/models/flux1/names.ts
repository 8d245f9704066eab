/** Layer names of FLUX.1 and Chroma: canonical (diffusers, split q, k, v) ↔ BFL (fused). */
import type { LayerNames, LayerPlace } from '../names';
import type { Flux1Config } from './config';

/** A layer with one BFL name. */
export function pair(canonical: string, bfl: string): LayerNames {
  return { canonical, places: { bfl: { layer: bfl } } };
}

/** A norm whose BFL weight is called `scale`. */
export function scaleNorm(canonical: string, bfl: string): LayerNames {
  return { canonical, places: { bfl: { layer: bfl, weight: `${bfl}.scale` } } };
}

/** Consecutive row ranges of one fused BFL layer. */
export function* fused(
  bfl: string,
  parts: readonly (readonly [canonical: string, rows: number])[],
): Generator<LayerNames> {
  let start = 0;
  for (const [canonical, count] of parts) {
    yield { canonical, places: { bfl: { layer: bfl, rows: { start, count } } } };
    start += count;
  }
}

/** Final modulation: BFL stores shift then scale, diffusers scale then shift. */
export function* finalModulation(width: number): Generator<LayerNames> {
  const rows = (layer: string, start: number): LayerPlace => ({ layer, rows: { start, count: width } });
  const bfl = 'final_layer.adaLN_modulation.1';
  yield { canonical: 'norm_out.shift', places: { bfl: rows(bfl, 0), diffusers: rows('norm_out.linear', width) } };
  yield { canonical: 'norm_out.scale', places: { bfl: rows(bfl, width), diffusers: rows('norm_out.linear', 0) } };
}

/**
 * A block with weights of its own for image and text, without its modulations.
 * @param ff the two linear layers of a feed-forward in diffusers
 */
export function* doubleStreamLayers(
  i: number,
  width: number,
  ff: { readonly first: string; readonly last: string },
): Generator<LayerNames> {
  const a = `transformer_blocks.${i}`;
  const b = `double_blocks.${i}`;
  yield* fused(`${b}.img_attn.qkv`, [
    [`${a}.attn.to_q`, width],
    [`${a}.attn.to_k`, width],
    [`${a}.attn.to_v`, width],
  ]);
  yield* fused(`${b}.txt_attn.qkv`, [
    [`${a}.attn.add_q_proj`, width],
    [`${a}.attn.add_k_proj`, width],
    [`${a}.attn.add_v_proj`, width],
  ]);
  yield scaleNorm(`${a}.attn.norm_q`, `${b}.img_attn.norm.query_norm`);
  yield scaleNorm(`${a}.attn.norm_k`, `${b}.img_attn.norm.key_norm`);
  yield scaleNorm(`${a}.attn.norm_added_q`, `${b}.txt_attn.norm.query_norm`);
  yield scaleNorm(`${a}.attn.norm_added_k`, `${b}.txt_attn.norm.key_norm`);
  yield pair(`${a}.attn.to_out.0`, `${b}.img_attn.proj`);
  yield pair(`${a}.attn.to_add_out`, `${b}.txt_attn.proj`);
  yield pair(`${a}.ff.${ff.first}`, `${b}.img_mlp.0`);
  yield pair(`${a}.ff.${ff.last}`, `${b}.img_mlp.2`);
  yield pair(`${a}.ff_context.${ff.first}`, `${b}.txt_mlp.0`);
  yield pair(`${a}.ff_context.${ff.last}`, `${b}.txt_mlp.2`);
}

function* doubleBlock(i: number, width: number): Generator<LayerNames> {
  yield pair(`transformer_blocks.${i}.norm1.linear`, `double_blocks.${i}.img_mod.lin`);
  yield pair(`transformer_blocks.${i}.norm1_context.linear`, `double_blocks.${i}.txt_mod.lin`);
  yield* doubleStreamLayers(i, width, { first: 'net.0.proj', last: 'net.2' });
}

function* singleBlock(i: number, { width, mlpWidth }: Flux1Config): Generator<LayerNames> {
  const a = `single_transformer_blocks.${i}`;
  const b = `single_blocks.${i}`;
  yield pair(`${a}.norm.linear`, `${b}.modulation.lin`);
  yield* fused(`${b}.linear1`, [
    [`${a}.attn.to_q`, width],
    [`${a}.attn.to_k`, width],
    [`${a}.attn.to_v`, width],
    [`${a}.proj_mlp`, mlpWidth],
  ]);
  yield scaleNorm(`${a}.attn.norm_q`, `${b}.norm.query_norm`);
  yield scaleNorm(`${a}.attn.norm_k`, `${b}.norm.key_norm`);
  yield pair(`${a}.proj_out`, `${b}.linear2`);
}

function* approximator(layers: number): Generator<LayerNames> {
  const at = 'distilled_guidance_layer';
  yield pair(`${at}.in_proj`, `${at}.in_proj`);
  for (let i = 0; i < layers; i += 1) {
    yield pair(`${at}.layers.${i}.linear_1`, `${at}.layers.${i}.in_layer`);
    yield pair(`${at}.layers.${i}.linear_2`, `${at}.layers.${i}.out_layer`);
    yield scaleNorm(`${at}.norms.${i}`, `${at}.norms.${i}`);
  }
  yield pair(`${at}.out_proj`, `${at}.out_proj`);
}

/** Every layer of the transformer. */
export function* flux1Layers(config: Flux1Config): Generator<LayerNames> {
  for (const [a, b] of [
    ['timestep_embedder', 'time_in'],
    ['guidance_embedder', 'guidance_in'],
    ['text_embedder', 'vector_in'],
  ]) {
    yield pair(`time_text_embed.${a}.linear_1`, `${b}.in_layer`);
    yield pair(`time_text_embed.${a}.linear_2`, `${b}.out_layer`);
  }
  if (config.approximator) yield* approximator(config.approximator.layers);
  yield pair('x_embedder', 'img_in');
  yield pair('context_embedder', 'txt_in');
  for (let i = 0; i < config.doubleBlocks; i += 1) yield* doubleBlock(i, config.width);
  for (let i = 0; i < config.singleBlocks; i += 1) yield* singleBlock(i, config);
  yield* finalModulation(config.width);
  yield pair('proj_out', 'final_layer.linear');
}
