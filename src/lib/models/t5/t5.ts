/** T5 v1.1 encoder: detection, names, graph. Source: Raffel et al. 2020; huggingface/transformers `models/t5`. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { maskBias } from '../dit/blocks';
import { mapWeights, type LayerNames } from '../names';
import type { BuiltGraph, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { NORM_EPS } from '../norm_eps';

export interface T5Config {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** heads · head width; not the model's width in general. */
  readonly innerWidth: number;
  readonly mlpWidth: number;
  readonly vocabulary: number;
  readonly buckets: number;
  readonly maxDistance: number;
}

/** Per layer: canonical (transformers) ↔ llama.cpp. */
const LAYER = [
  ['layer.0.layer_norm', 'attn_norm'],
  ['layer.0.SelfAttention.q', 'attn_q'],
  ['layer.0.SelfAttention.k', 'attn_k'],
  ['layer.0.SelfAttention.v', 'attn_v'],
  ['layer.0.SelfAttention.o', 'attn_o'],
  ['layer.1.layer_norm', 'ffn_norm'],
  ['layer.1.DenseReluDense.wi_0', 'ffn_gate'],
  ['layer.1.DenseReluDense.wi_1', 'ffn_up'],
  ['layer.1.DenseReluDense.wo', 'ffn_down'],
] as const;

const BIAS = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias';

/** Every layer of the encoder. */
export function* t5Layers({ layers }: Pick<T5Config, 'layers'>): Generator<LayerNames> {
  const pair = (canonical: string, llama: string): LayerNames => ({
    canonical,
    places: { 'llama.cpp': { layer: llama } },
  });
  yield pair('shared', 'token_embd');
  yield pair(BIAS, 'enc.blk.0.attn_rel_b');
  for (let i = 0; i < layers; i += 1) {
    for (const [a, b] of LAYER) yield pair(`encoder.block.${i}.${a}`, `enc.blk.${i}.${b}`);
  }
  yield pair('encoder.final_layer_norm', 'enc.output_norm');
}

/** The T5 encoder in a view, or undefined. */
export function findT5(view: TensorView, file: string): ModelPart<T5Config> | undefined {
  const llama = view.has('enc.blk.0.attn_q.weight');
  if (!llama && !view.has('encoder.block.0.layer.0.SelfAttention.q.weight')) return undefined;
  // Some files show only a few blocks of an encoder; without the last norm there is nothing to run.
  if (!view.has(llama ? 'enc.output_norm.weight' : 'encoder.final_layer_norm.weight')) return undefined;
  const layout = llama ? 'llama.cpp' : 'transformers';
  const layer = (i: number) => (llama ? `enc.blk.${i}` : `encoder.block.${i}`);
  const q = llama ? 'attn_q.weight' : 'layer.0.SelfAttention.q.weight';
  const table = llama ? 'enc.blk.0.attn_rel_b.weight' : `${BIAS}.weight`;
  const tokens = llama ? 'token_embd.weight' : 'shared.weight';
  // Some files name only the encoder's copy of the embedding.
  const embedding = view.has(tokens) ? tokens : 'encoder.embed_tokens.weight';
  const config: T5Config = {
    width: view.size(`${layer(0)}.${q}`, 1),
    innerWidth: view.size(`${layer(0)}.${q}`, 0),
    layers: view.count((i) => `${layer(i)}.${q}`),
    heads: view.size(table, 1),
    mlpWidth: view.size(`${layer(0)}.${llama ? 'ffn_gate' : 'layer.1.DenseReluDense.wi_0'}.weight`, 0),
    vocabulary: view.size(embedding, 0),
    buckets: view.size(table, 0),
    maxDistance: 128,
  };
  const weights = new Map(mapWeights(t5Layers(config), view, layout));
  const shared = view.tensors.get(embedding);
  if (shared) weights.set('shared.weight', { tensor: shared });
  return {
    role: 'text-encoder',
    architecture: 't5',
    encoder: 't5',
    layout,
    prefix: view.prefix,
    config,
    weights,
    file,
  };
}

/** Bucket of a relative position, both directions. Source: Raffel et al. 2020, section 2.1; transformers `_relative_position_bucket`. */
function t5Bucket(relative: number, buckets: number, maxDistance: number): number {
  const half = buckets / 2;
  const side = relative > 0 ? half : 0;
  const distance = Math.abs(relative);
  const exact = half / 2;
  if (distance < exact) return side + distance;
  const log = Math.log(Math.fround(distance / exact)) / Math.log(maxDistance / exact);
  return side + Math.min(half - 1, exact + Math.floor(Math.fround(log * (half - exact))));
}

/** Bias [1, heads, T, T] that every layer adds to its scores. */
function positionBias(g: GraphBuilder, { heads, buckets, maxDistance }: T5Config, tokens: number): Value {
  const ids = new Int32Array(tokens * tokens);
  for (let query = 0; query < tokens; query += 1) {
    for (let key = 0; key < tokens; key += 1) {
      ids[query * tokens + key] = t5Bucket(key - query, buckets, maxDistance);
    }
  }
  const table = g.embedding(g.constant(ids, [tokens, tokens]), `${BIAS}.weight`, { count: buckets, width: heads });
  const bias = g.reshape(g.transpose(table, [2, 0, 1]), [1, heads, tokens, tokens]);
  g.tap('position_bias', bias);
  return bias;
}

/** Hidden states [N, T, width] after the final norm. `mask` f32 [N, T] hides padding; published pipelines give none. */
export function t5Encoder(g: GraphBuilder, config: T5Config, tokens: Value, mask?: Value): Value {
  const { width, innerWidth, heads, mlpWidth, layers, vocabulary } = config;
  let bias = positionBias(g, config, tokens.shape[1] ?? 0);
  if (mask) bias = g.add(bias, maskBias(g, mask));
  let x = g.embedding(tokens, 'shared.weight', { count: vocabulary, width });
  for (let i = 0; i < layers; i += 1) {
    const block = g.at(`encoder.block.${i}`);
    const attn = block.at('layer.0.SelfAttention');
    const n1 = block.rmsNorm(x, 'layer.0.layer_norm.weight', { eps: NORM_EPS.t5RmsNorm });
    const project = (name: string) => attn.linear(n1, name, { out: innerWidth, bias: false });
    // T5 does not divide by the root of the head width: the initialisation did.
    const attended = attn.attention(project('q'), project('k'), project('v'), { heads, scale: 1, bias });
    const out = attn.linear(attended, 'o', { out: width, bias: false });
    attn.tap('', out);
    x = g.add(x, out);
    const ff = block.at('layer.1.DenseReluDense');
    const n2 = block.rmsNorm(x, 'layer.1.layer_norm.weight', { eps: NORM_EPS.t5RmsNorm });
    const gate = ff.linear(n2, 'wi_0', { out: mlpWidth, bias: false, activation: 'geluTanh' });
    const value = ff.linear(n2, 'wi_1', { out: mlpWidth, bias: false });
    x = g.add(x, ff.linear(g.mul(gate, value), 'wo', { out: width, bias: false }));
    block.tap('', x);
  }
  return g.rmsNorm(x, 'encoder.final_layer_norm.weight', { eps: NORM_EPS.t5RmsNorm });
}

/** Graph: `tokens` i32 [N, T], with `mask` also `mask` f32 [N, T] → `hidden` [N, T, width]. */
export function buildT5(
  part: ModelPart<T5Config>,
  spec: { batch: number; tokens: number; mask?: boolean },
): BuiltGraph {
  const { batch, tokens } = spec;
  const g = GraphBuilder.create('t5', weightResolver(part.weights));
  const ids = g.input('tokens', [batch, tokens], { elementType: 'i32' });
  g.output('hidden', t5Encoder(g, part.config, ids, spec.mask ? g.input('mask', [batch, tokens]) : undefined));
  return { graph: g.finish(), weights: part.weights };
}
