/** FLUX.2 transformer (klein, dev): detection and names. Source: black-forest-labs/flux2; diffusers `transformer_flux2.py`. */
import type { LayerNames } from '../names';
import type { ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { mapWeights } from '../names';
import { doubleStreamLayers, finalModulation, fused, pair, scaleNorm } from '../flux1/names';
import type { DitLayout } from '../flux1/config';

export interface Flux2Config {
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  /** Width behind the gate: linear_in gives twice this. */
  readonly mlpWidth: number;
  readonly contextWidth: number;
  /** Latent channels, packed: 128 in published models. */
  readonly inWidth: number;
  readonly outWidth: number;
  readonly guidance: boolean;
  /** Time, row, column, token. */
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
}

function layoutOf(view: TensorView): DitLayout | undefined {
  if (view.has('single_stream_modulation.lin.weight') && view.has('img_in.weight')) return 'bfl';
  return view.has('single_stream_modulation.linear.weight') && view.has('x_embedder.weight') ? 'diffusers' : undefined;
}

function readFlux2(view: TensorView, layout: DitLayout, hints: ConfigHints | undefined): Flux2Config {
  const bfl = layout === 'bfl';
  const pick = (original: string, canonical: string) => (bfl ? original : canonical);
  const at = (original: string, canonical: string, axis: number) => view.size(pick(original, canonical), axis);
  const width = at('img_in.weight', 'x_embedder.weight', 0);
  const headDim = at('double_blocks.0.img_attn.norm.query_norm.scale', 'transformer_blocks.0.attn.norm_q.weight', 0);
  return {
    width,
    headDim,
    heads: headDim > 0 ? width / headDim : 0,
    doubleBlocks: view.count((i) =>
      pick(`double_blocks.${i}.img_attn.proj.weight`, `transformer_blocks.${i}.attn.to_out.0.weight`),
    ),
    singleBlocks: view.count((i) =>
      pick(`single_blocks.${i}.linear2.weight`, `single_transformer_blocks.${i}.attn.to_out.weight`),
    ),
    mlpWidth: at('double_blocks.0.img_mlp.2.weight', 'transformer_blocks.0.ff.linear_out.weight', 1),
    contextWidth: at('txt_in.weight', 'context_embedder.weight', 1),
    inWidth: at('img_in.weight', 'x_embedder.weight', 1),
    outWidth: at('final_layer.linear.weight', 'proj_out.weight', 0),
    guidance: view.has(pick('guidance_in.in_layer.weight', 'time_guidance_embed.guidance_embedder.linear_1.weight')),
    ropeAxes: hints?.ropeAxes ?? [headDim / 4, headDim / 4, headDim / 4, headDim / 4],
    ropeTheta: hints?.ropeTheta ?? 2000,
  };
}

/** Every layer of the transformer; published files have no biases. */
export function* flux2Layers({ width, mlpWidth, doubleBlocks, singleBlocks }: Flux2Config): Generator<LayerNames> {
  for (const [a, b] of [
    ['timestep_embedder', 'time_in'],
    ['guidance_embedder', 'guidance_in'],
  ]) {
    yield pair(`time_guidance_embed.${a}.linear_1`, `${b}.in_layer`);
    yield pair(`time_guidance_embed.${a}.linear_2`, `${b}.out_layer`);
  }
  yield pair('x_embedder', 'img_in');
  yield pair('context_embedder', 'txt_in');
  for (const name of ['double_stream_modulation_img', 'double_stream_modulation_txt', 'single_stream_modulation']) {
    yield pair(`${name}.linear`, `${name}.lin`);
  }
  for (let i = 0; i < doubleBlocks; i += 1) {
    yield* doubleStreamLayers(i, width, { first: 'linear_in', last: 'linear_out' });
  }
  for (let i = 0; i < singleBlocks; i += 1) {
    const a = `single_transformer_blocks.${i}`;
    const b = `single_blocks.${i}`;
    // diffusers keeps this one fused, too.
    for (const names of fused(`${b}.linear1`, [
      [`${a}.attn.to_q`, width],
      [`${a}.attn.to_k`, width],
      [`${a}.attn.to_v`, width],
      [`${a}.proj_mlp`, 2 * mlpWidth],
    ])) {
      const rows = names.places['bfl']?.rows;
      const diffusers = { layer: `${a}.attn.to_qkv_mlp_proj`, ...(rows ? { rows } : {}) };
      yield { ...names, places: { ...names.places, diffusers } };
    }
    yield scaleNorm(`${a}.attn.norm_q`, `${b}.norm.query_norm`);
    yield scaleNorm(`${a}.attn.norm_k`, `${b}.norm.key_norm`);
    yield pair(`${a}.attn.to_out`, `${b}.linear2`);
  }
  yield* finalModulation(width);
  yield pair('proj_out', 'final_layer.linear');
}

/** The transformer in a view, or undefined. */
export function findFlux2(view: TensorView, file: string, hints?: ConfigHints): ModelPart<Flux2Config> | undefined {
  const layout = layoutOf(view);
  if (!layout) return undefined;
  const config = readFlux2(view, layout, hints);
  const weights = mapWeights(flux2Layers(config), view, layout);
  return { role: 'denoiser', architecture: 'flux2', layout, prefix: view.prefix, config, weights, file };
}
