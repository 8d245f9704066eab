/** Finds CLIP text encoders and builds their graphs. */
import { GraphBuilder } from '../../graph/builder';
import { weightResolver } from '../../graph/weights';
import { mapWeights } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart, TextEncoderId } from '../part';
import type { TensorView } from '../tensor_view';
import { checkHeads, clipEncoderId, clipLayout, readClip, type ClipConfig } from './config';
import { clipLayers } from './names';
import { clipFinalNorm, clipHidden, clipPooled } from './network';

/**
 * The CLIP text encoder in a view.
 * @param place encoder id where the file's structure tells it (SDXL's second embedder); else by width
 */
export function findClip(
  view: TensorView,
  file: string,
  options: { place?: TextEncoderId; hints?: (id: TextEncoderId) => ConfigHints | undefined } = {},
): ModelPart<ClipConfig> | undefined {
  const layout = clipLayout(view);
  if (!layout) return undefined;
  const token = [
    'text_model.embeddings.token_embedding.weight',
    'embeddings.token_embedding.weight',
    'token_embedding.weight',
  ].find((name) => view.has(name));
  const encoder = options.place ?? clipEncoderId({ width: token ? view.size(token, 1) : 0 }, layout);
  const config = readClip(view, layout, encoder, options.hints?.(encoder));
  const weights = mapWeights(clipLayers(config), view, layout);
  return { role: 'text-encoder', architecture: 'clip', encoder, layout, prefix: view.prefix, config, weights, file };
}

export interface ClipSpec {
  readonly batch: number;
  readonly tokens: number;
  /** 1 = last layer, 2 = last but one… */
  readonly clipSkip: number;
  /** Apply the final norm to the hidden output (SD1, SD2 yes; SDXL, SD3 no). */
  readonly finalNorm: boolean;
  /** Also compute `pooled`, with the input `endIndex`. */
  readonly pooled: boolean;
  readonly injections?: boolean;
  /** Taps named as in transformers. */
  readonly name?: string;
}

/**
 * Graph of a CLIP text encoder.
 * Inputs: `tokens` i32 [N, T]; `endIndex` i32 [N] (first position of the end token) when pooled; `keep`, `injected`
 * with injections. Outputs: `hidden` [N, T, D]; `pooled` [N, P].
 */
export function buildClip(part: ModelPart<ClipConfig>, spec: ClipSpec): BuiltGraph {
  const { config, weights } = part;
  const { batch, tokens, clipSkip, finalNorm, pooled, injections = false } = spec;
  checkHeads(config);
  const g = GraphBuilder.create(spec.name ?? part.encoder ?? 'clip', weightResolver(weights));
  const ids = g.input('tokens', [batch, tokens], { elementType: 'i32' });
  const injection = injections
    ? { keep: g.input('keep', [batch, tokens, 1]), injected: g.input('injected', [batch, tokens, config.width]) }
    : undefined;
  const wanted = Math.max(0, config.layers - (clipSkip - 1));
  const states = clipHidden(
    g,
    config,
    { tokens: ids, ...(injection ? { injection } : {}) },
    pooled ? config.layers : wanted,
  );
  const hidden = states[wanted];
  const last = states.at(-1);
  if (hidden && last) {
    const normed = pooled || (finalNorm && wanted === config.layers) ? clipFinalNorm(g, last) : undefined;
    const out = finalNorm ? (hidden === last && normed ? normed : clipFinalNorm(g, hidden)) : hidden;
    g.output('hidden', out);
    if (pooled && normed) {
      g.output('pooled', clipPooled(g, config, normed, g.input('endIndex', [batch], { elementType: 'i32' })));
    }
  }
  return { graph: g.finish(), weights };
}
