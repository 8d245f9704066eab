/** FLUX.1 transformer (dev, schnell, Fill, Canny, Depth) and Chroma: configuration from shapes, in both layouts. */
import { AppError } from '../../base/errors';
import type { ConfigHints } from '../part';
import type { TensorView } from '../tensor_view';

export interface Flux1Config {
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  readonly mlpWidth: number;
  readonly contextWidth: number;
  /** Width of the pooled text vector, 0 without (Chroma). */
  readonly pooledWidth: number;
  /** Values per image token that go in; 64 plain, 128 and 384 with a control picture or a masked one. */
  readonly inWidth: number;
  readonly outWidth: number;
  readonly guidance: boolean;
  readonly ropeAxes: readonly number[];
  readonly ropeTheta: number;
  /** Chroma: the network that computes every modulation. */
  readonly approximator?: { readonly hidden: number; readonly layers: number; readonly inWidth: number };
}

export type DitLayout = 'bfl' | 'diffusers';

/** Rotary axes of a head: an eighth for the sequence axis, the rest halved over rows and columns (16, 56, 56 of 128). */
function fluxAxes(headDim: number, hints: ConfigHints | undefined): readonly number[] {
  return hints?.ropeAxes ?? [headDim / 8, (headDim * 7) / 16, (headDim * 7) / 16];
}

/** @throws AppError 'model/unsupported' unless the axes are even and sum up to the head width */
export function checkAxes({ headDim, ropeAxes }: { headDim: number; ropeAxes: readonly number[] }): void {
  const sum = ropeAxes.reduce((a, b) => a + b, 0);
  if (sum === headDim && ropeAxes.every((d) => Number.isInteger(d) && d > 0 && d % 2 === 0)) return;
  throw new AppError(
    'model/unsupported',
    `transformer: rotary axes must be even and sum up to the head width ${headDim}, got ${ropeAxes.join(', ')}; give them in the model's configuration.`,
    { details: { headDim, axes: ropeAxes } },
  );
}

/** Which spelling the names have; undefined when the view is no FLUX.1 or Chroma transformer. */
export function flux1Layout(view: TensorView): DitLayout | undefined {
  if (view.has('double_stream_modulation_img.lin.weight') || view.has('single_stream_modulation.lin.weight'))
    return undefined;
  if (view.has('double_blocks.0.img_attn.norm.key_norm.scale') && view.has('img_in.weight')) return 'bfl';
  const diffusers = view.has('single_transformer_blocks.0.proj_mlp.weight') && view.has('x_embedder.weight');
  return diffusers && view.has('transformer_blocks.0.attn.norm_added_q.weight') ? 'diffusers' : undefined;
}

/** Reads the configuration. */
export function readFlux1(view: TensorView, layout: DitLayout, hints?: ConfigHints): Flux1Config {
  const bfl = layout === 'bfl';
  const pick = (original: string, canonical: string) => (bfl ? original : canonical);
  const at = (original: string, canonical: string, axis: number) => view.size(pick(original, canonical), axis);
  const width = at('img_in.weight', 'x_embedder.weight', 0);
  const headDim = at('double_blocks.0.img_attn.norm.query_norm.scale', 'transformer_blocks.0.attn.norm_q.weight', 0);
  const approximated = view.has('distilled_guidance_layer.in_proj.weight');
  return {
    width,
    headDim,
    heads: headDim > 0 ? width / headDim : 0,
    doubleBlocks: view.count((i) =>
      pick(`double_blocks.${i}.img_attn.proj.weight`, `transformer_blocks.${i}.attn.to_out.0.weight`),
    ),
    singleBlocks: view.count((i) =>
      pick(`single_blocks.${i}.linear2.weight`, `single_transformer_blocks.${i}.proj_out.weight`),
    ),
    mlpWidth: at('double_blocks.0.img_mlp.0.weight', 'transformer_blocks.0.ff.net.0.proj.weight', 0),
    contextWidth: at('txt_in.weight', 'context_embedder.weight', 1),
    pooledWidth: at('vector_in.in_layer.weight', 'time_text_embed.text_embedder.linear_1.weight', 1),
    inWidth: at('img_in.weight', 'x_embedder.weight', 1),
    outWidth: at('final_layer.linear.weight', 'proj_out.weight', 0),
    guidance: view.has(pick('guidance_in.in_layer.weight', 'time_text_embed.guidance_embedder.linear_1.weight')),
    ropeAxes: fluxAxes(headDim, hints),
    ropeTheta: hints?.ropeTheta ?? 10_000,
    ...(approximated
      ? {
          approximator: {
            hidden: view.size('distilled_guidance_layer.in_proj.weight', 0),
            inWidth: view.size('distilled_guidance_layer.in_proj.weight', 1),
            layers: view.count((i) => `distilled_guidance_layer.norms.${i}.${bfl ? 'scale' : 'weight'}`),
          },
        }
      : {}),
  };
}
