/** CLIP text encoders: CLIP-L and the OpenCLIP H and bigG. Heads and activation cannot be seen in shapes: rule or hint. */
import { AppError } from '../../base/errors';
import type { ConfigHints, TextEncoderId } from '../part';
import type { TensorView } from '../tensor_view';

export interface ClipConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly vocabulary: number;
  readonly positions: number;
  /** CLIP-L: quick-GELU; OpenCLIP: exact GELU. */
  readonly activation: 'quickGelu' | 'gelu';
  /** Width of the projected pooled vector, 0 without a projection. */
  readonly projection: number;
}

export type ClipLayout = 'transformers' | 'transformers-bare' | 'open_clip';

/** Which spelling the names have. `transformers-bare` lacks the `text_model.` level. */
export function clipLayout(view: TensorView): ClipLayout | undefined {
  const complete = (...names: readonly string[]) => names.every((name) => view.has(name));
  const own = ['embeddings.position_embedding.weight', 'embeddings.token_embedding.weight', 'final_layer_norm.weight'];
  if (complete(...own.map((name) => `text_model.${name}`))) return 'transformers';
  if (complete(...own)) return 'transformers-bare';
  const open = complete('positional_embedding', 'transformer.resblocks.0.attn.in_proj_weight', 'ln_final.weight');
  return open ? 'open_clip' : undefined;
}

/**
 * Which encoder it is: OpenCLIP H is 1024 wide, bigG 1280, CLIP-L 768. Other widths (small models) go by layout:
 * OpenCLIP names mean bigG when a projection is used, which the place in the file decides better than we can.
 */
export function clipEncoderId(config: Pick<ClipConfig, 'width'>, layout: ClipLayout): TextEncoderId {
  if (config.width === 1024) return 'openclip-h';
  if (config.width === 1280) return 'openclip-bigg';
  return layout === 'open_clip' ? 'openclip-bigg' : 'clip-l';
}

/** Head count: 64 wide heads in every published model; other widths need a hint. May be no whole number, see `checkHeads`. */
function clipHeads(width: number, hints: ConfigHints | undefined): number {
  const given = typeof hints?.heads === 'number' ? hints.heads : undefined;
  return given ?? width / (hints?.headDim ?? 64);
}

/** @throws AppError 'model/unsupported' when shapes and hints give no usable number of heads */
export function checkHeads({ width, heads }: Pick<ClipConfig, 'width' | 'heads'>): void {
  if (Number.isInteger(heads) && heads >= 1 && width % heads === 0) return;
  throw new AppError(
    'model/unsupported',
    `clip: a width of ${width} needs a whole number of heads, got ${heads}; give the number of heads in the model's configuration.`,
    { details: { width, heads } },
  );
}

/** Reads the configuration of a text encoder in any of the three layouts. */
export function readClip(view: TensorView, layout: ClipLayout, id: TextEncoderId, hints?: ConfigHints): ClipConfig {
  const open = layout === 'open_clip';
  const root = layout === 'transformers' ? 'text_model.' : '';
  const token = open ? 'token_embedding.weight' : `${root}embeddings.token_embedding.weight`;
  const position = open ? 'positional_embedding' : `${root}embeddings.position_embedding.weight`;
  const layer = (i: number) => (open ? `transformer.resblocks.${i}` : `${root}encoder.layers.${i}`);
  const width = view.size(token, 1);
  return {
    width,
    layers: view.count((i) => `${layer(i)}.${open ? 'ln_1' : 'layer_norm1'}.weight`),
    heads: clipHeads(width, hints),
    mlpWidth: view.size(`${layer(0)}.mlp.${open ? 'c_fc' : 'fc1'}.weight`, 0),
    vocabulary: view.size(token, 0),
    positions: view.size(position, 0),
    activation: hints?.activation ?? (id === 'clip-l' ? 'quickGelu' : 'gelu'),
    projection: open ? view.size('text_projection', 1) : view.size('text_projection.weight', 0),
  };
}
