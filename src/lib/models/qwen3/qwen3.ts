/** Qwen3 language model as text encoder: detection, names, graph. Source: Qwen3 report 2025; huggingface/transformers `models/qwen3`. */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { maskBias } from '../dit/blocks';
import { ropeTables, type RopeTables } from '../dit/rope_table';
import { mapWeights, type LayerNames } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { NORM_EPS } from '../norm_eps';

export interface Qwen3Config {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly vocabulary: number;
  readonly ropeTheta: number;
}

/** Per layer: canonical (transformers, below `model.`) ↔ llama.cpp. */
const LAYER = [
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
] as const;

/** Every layer of the model. */
export function* qwen3Layers({ layers }: Pick<Qwen3Config, 'layers'>): Generator<LayerNames> {
  const pair = (canonical: string, llama: string): LayerNames => ({
    canonical,
    places: { 'llama.cpp': { layer: llama } },
  });
  yield pair('embed_tokens', 'token_embd');
  for (let i = 0; i < layers; i += 1) {
    for (const [a, b] of LAYER) yield pair(`layers.${i}.${a}`, `blk.${i}.${b}`);
  }
  yield pair('norm', 'output_norm');
}

/** The Qwen3 model in a view, or undefined. The q and k norms tell it from its predecessors. */
export function findQwen3(all: TensorView, file: string, hints?: ConfigHints): ModelPart<Qwen3Config> | undefined {
  const view = all.hasBelow('model.layers.') ? all.below('model.') : all;
  const llama = view.has('blk.0.attn_q_norm.weight');
  if (!llama && !view.has('layers.0.self_attn.q_norm.weight')) return undefined;
  const layout = llama ? 'llama.cpp' : 'transformers';
  const layer = (i: number) => (llama ? `blk.${i}` : `layers.${i}`);
  const name = (canonical: string, other: string) => `${layer(0)}.${llama ? other : canonical}.weight`;
  const headDim = view.size(name('self_attn.q_norm', 'attn_q_norm'), 0);
  const embedding = llama ? 'token_embd.weight' : 'embed_tokens.weight';
  const config: Qwen3Config = {
    width: view.size(embedding, 1),
    layers: view.count((i) => `${layer(i)}.${llama ? 'attn_q' : 'self_attn.q_proj'}.weight`),
    heads: view.size(name('self_attn.q_proj', 'attn_q'), 0) / headDim,
    kvHeads: view.size(name('self_attn.k_proj', 'attn_k'), 0) / headDim,
    headDim,
    mlpWidth: view.size(name('mlp.gate_proj', 'ffn_gate'), 0),
    vocabulary: view.size(embedding, 0),
    ropeTheta: hints?.ropeTheta ?? 1e6,
  };
  const weights = mapWeights(qwen3Layers(config), view, layout);
  return {
    role: 'text-encoder',
    architecture: 'qwen3',
    encoder: 'qwen3',
    layout,
    prefix: view.prefix,
    config,
    weights,
    file,
  };
}

function qwenLayer(g: GraphBuilder, x: Value, config: Qwen3Config, rope: RopeTables, bias: Value | undefined): Value {
  const { width, heads, kvHeads, headDim, mlpWidth } = config;
  const attn = g.at('self_attn');
  const n1 = g.rmsNorm(x, 'input_layernorm.weight', { eps: NORM_EPS.qwen3RmsNorm });
  const project = (name: string, count: number) => attn.linear(n1, name, { out: count * headDim, bias: false });
  const turn = (value: Value, norm: string, count: number) => {
    const normed = attn.rmsNorm(value, `${norm}.weight`, { eps: NORM_EPS.qwen3QkNorm, size: headDim });
    return attn.rope(normed, rope.cos, rope.sin, { heads: count, pairing: 'halves' });
  };
  const q = turn(project('q_proj', heads), 'q_norm', heads);
  const k = turn(project('k_proj', kvHeads), 'k_norm', kvHeads);
  const options = { heads, kvHeads, causal: true, ...(bias ? { bias } : {}) };
  const out = attn.linear(attn.attention(q, k, project('v_proj', kvHeads), options), 'o_proj', {
    out: width,
    bias: false,
  });
  attn.tap('', out);
  const h = g.add(x, out);
  const n2 = g.rmsNorm(h, 'post_attention_layernorm.weight', { eps: NORM_EPS.qwen3RmsNorm });
  const gate = g.linear(n2, 'mlp.gate_proj', { out: mlpWidth, bias: false, activation: 'silu' });
  const up = g.linear(n2, 'mlp.up_proj', { out: mlpWidth, bias: false });
  const mlp = g.linear(g.mul(gate, up), 'mlp.down_proj', { out: width, bias: false });
  g.tap('mlp', mlp);
  const y = g.add(h, mlp);
  g.tap('', y);
  return y;
}

export interface Qwen3Spec {
  readonly batch: number;
  readonly tokens: number;
  /**
   * Hidden states to hand out, joined along the last axis: 0 is the embedding, k the output of layer k; negative
   * numbers count from the end, -1 being the last layer with the final norm. Later layers are not computed.
   */
  readonly states: readonly number[];
  /** Adds the input `mask` f32 [N, T]: keys to see. */
  readonly mask?: boolean;
}

/** Graph: `tokens` i32 [N, T] (and `mask`) → `hidden` [N, T, states · width]. */
export function buildQwen3(part: ModelPart<Qwen3Config>, spec: Qwen3Spec): BuiltGraph {
  const { config, weights } = part;
  const { batch, tokens } = spec;
  const g = GraphBuilder.create('qwen3', weightResolver(weights));
  const ids = g.input('tokens', [batch, tokens], { elementType: 'i32' });
  const bias = spec.mask ? maskBias(g, g.input('mask', [batch, tokens])) : undefined;
  const positions = Array.from({ length: tokens }, (_, i) => [i]);
  const rope = ropeTables(g, positions, { axes: [config.headDim], theta: config.ropeTheta });
  const wanted = spec.states.map((state) => (state < 0 ? config.layers + 1 + state : state));
  let x = g.embedding(ids, 'embed_tokens.weight', { count: config.vocabulary, width: config.width });
  const states = [x];
  for (let i = 0; i < Math.max(...wanted); i += 1) {
    x = qwenLayer(g.at(`layers.${i}`), x, config, rope, bias);
    states.push(x);
  }
  const found = wanted.flatMap((index) => states[index] ?? []);
  const normed = found.map((state, i) =>
    wanted[i] === config.layers ? g.rmsNorm(state, 'norm.weight', { eps: NORM_EPS.qwen3RmsNorm }) : state,
  );
  const [only] = normed;
  g.output('hidden', normed.length === 1 && only ? only : g.concat(normed, 2));
  return { graph: g.finish(), weights };
}
