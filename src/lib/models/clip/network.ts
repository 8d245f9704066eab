/** CLIP text transformer as a graph. Source: Radford et al. 2021; huggingface/transformers `models/clip`. */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import type { ClipConfig } from './config';
import { NORM_EPS } from '../norm_eps';

export interface ClipInputs {
  /** i32 [N, T] */
  readonly tokens: Value;
  /** Textual inversion: embedding = table[tokens] · keep + injected; keep [N, T, 1], injected [N, T, D]. */
  readonly injection?: { readonly keep: Value; readonly injected: Value };
}

function clipLayer(g: GraphBuilder, x: Value, { width, heads, mlpWidth, activation }: ClipConfig): Value {
  const n1 = g.layerNorm(x, 'layer_norm1', { eps: NORM_EPS.clipLayerNorm });
  const attn = g.at('self_attn');
  const [q, k, v] = (['q_proj', 'k_proj', 'v_proj'] as const).map((name) => attn.linear(n1, name, { out: width }));
  if (!q || !k || !v) return x;
  const attended = attn.linear(attn.attention(q, k, v, { heads, causal: true }), 'out_proj', { out: width });
  attn.tap('', attended);
  const h = g.add(x, attended);
  const hidden = g.linear(g.layerNorm(h, 'layer_norm2', { eps: NORM_EPS.clipLayerNorm }), 'mlp.fc1', {
    out: mlpWidth,
    activation,
  });
  const mlp = g.linear(hidden, 'mlp.fc2', { out: width });
  g.tap('mlp', mlp);
  const y = g.add(h, mlp);
  g.tap('', y);
  return y;
}

/**
 * Hidden states after `layers` layers (all by default), without the final norm: [N, T, width].
 * `skipped` layers at the end are not even computed.
 */
export function clipHidden(g: GraphBuilder, config: ClipConfig, inputs: ClipInputs, layers = config.layers): Value[] {
  const root = g.at('text_model');
  const { width, vocabulary, positions } = config;
  const tokens = inputs.tokens.shape[1] ?? 0;
  let x = root.embedding(inputs.tokens, 'embeddings.token_embedding.weight', { count: vocabulary, width });
  if (inputs.injection) x = g.add(g.mul(x, inputs.injection.keep), inputs.injection.injected);
  let table = root.weight('embeddings.position_embedding.weight', [positions, width]);
  if (tokens !== positions) table = g.slice(table, 0, 0, tokens);
  x = g.add(x, g.reshape(table, [1, tokens, width]));
  root.tap('embeddings', x);
  const states = [x];
  for (let i = 0; i < layers; i += 1) {
    x = clipLayer(root.at(`encoder.layers.${i}`), x, config);
    states.push(x);
  }
  return states;
}

/** The norm that follows the last layer. */
export function clipFinalNorm(g: GraphBuilder, x: Value): Value {
  return g.layerNorm(x, 'text_model.final_layer_norm', { eps: NORM_EPS.clipFinalNorm });
}

/** Pooled vector: the final-norm state at the first end token, through the projection where there is one. */
export function clipPooled(g: GraphBuilder, config: ClipConfig, normed: Value, endIndex: Value): Value {
  const pooled = g.gatherToken(normed, endIndex);
  g.tap('pooled', pooled);
  if (config.projection === 0) return pooled;
  return g.linear(pooled, 'text_projection', { out: config.projection, bias: false });
}
