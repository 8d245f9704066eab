/** Graphs of several ops with random weights, to catch wiring errors and to time whole networks. */
import { elementCount } from '../../../../src/lib/base/shape';
import { GraphBuilder } from '../../../../src/lib/graph/builder';
import type { Graph, Value } from '../../../../src/lib/graph/ir';
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { memoryWeight } from '../../../../src/lib/graph/memory_weight';
import type { NamedWeight, WeightMap } from '../../../../src/lib/graph/weights';

export interface GraphCase {
  readonly graph: Graph;
  readonly weights: WeightMap;
  readonly inputs: Readonly<Record<string, HostTensor>>;
}

/** Numbers in -1..1, the same on every run (xorshift, Marsaglia 2003). */
function randomNumbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

/** Builds a graph, inventing every weight it asks for: matrices scaled to keep activations near 1. */
export function randomCase(name: string, build: (g: GraphBuilder) => Record<string, Value>, seed = 1): GraphCase {
  const random = randomNumbers(seed);
  const shapes = new Map<string, readonly number[]>();
  // The first pass learns the shapes: every weight is claimed to exist with the shape of a scalar.
  const probe = GraphBuilder.create(name, () => ({ type: 'F32', shape: [] }));
  for (const [label, output] of Object.entries(build(probe))) probe.output(label, output);
  try {
    probe.finish();
  } catch (error) {
    const { misshapen } = (error as { details: { misshapen?: { name: string; expected: number[] }[] } }).details;
    if (!misshapen) throw error;
    for (const weight of misshapen) shapes.set(weight.name, weight.expected);
  }
  const weights = new Map<string, NamedWeight>();
  for (const [weight, shape] of shapes) {
    const fan = elementCount(shape.slice(1));
    const norm = shape.length === 1 && weight.endsWith('weight') ? 1 : 0;
    const scale = shape.length === 1 ? 0.1 : Math.sqrt(3 / fan);
    const data = Float32Array.from({ length: elementCount(shape) }, () => norm + scale * random());
    weights.set(weight, memoryWeight(weight, shape, data));
  }
  const g = GraphBuilder.create(name, (weight) => {
    const shape = shapes.get(weight);
    return shape ? { type: 'F32', shape } : { type: 'F32', shape: [] };
  });
  for (const [label, output] of Object.entries(build(g))) g.output(label, output);
  const graph = g.finish();
  const inputs: Record<string, HostTensor> = {};
  for (const [label, id] of graph.inputs) {
    const { shape, elementType } = graph.values[id] as Value;
    const length = elementCount(shape);
    inputs[label] =
      elementType === 'i32'
        ? { shape, data: new Int32Array(length) }
        : { shape, data: Float32Array.from({ length }, random) };
  }
  return { graph, weights, inputs };
}

export interface UnetShape {
  readonly batch: number;
  readonly side: number;
  readonly channels: number;
  readonly mult: readonly number[];
  /** Levels with attention. */
  readonly attention: readonly number[];
  readonly headWidth: number;
  readonly context: number;
  readonly tokens: number;
  readonly timeWidth: number;
}

/** The default model's own shape: SD1 layout, 16x16 latents, guidance as a batch of 2. */
export const DEFAULT_UNET: UnetShape = {
  batch: 2,
  side: 16,
  channels: 32,
  mult: [2, 3, 6],
  attention: [1, 2],
  headWidth: 32,
  context: 96,
  tokens: 77,
  timeWidth: 128,
};

export function resBlock(g: GraphBuilder, x: Value, emb: Value, out: number): Value {
  let h = g.groupNorm(x, 'in_layers.0', { eps: 1e-5, activation: 'silu' });
  h = g.conv2d(h, 'in_layers.2', { out, kernel: 3 });
  h = g.add(h, g.vectorToImage(g.linear(g.activation(emb, 'silu'), 'emb_layers.1', { out })));
  h = g.groupNorm(h, 'out_layers.0', { eps: 1e-5, activation: 'silu' });
  h = g.conv2d(h, 'out_layers.3', { out, kernel: 3 });
  return g.add(h, x.shape[1] === out ? x : g.conv2d(x, 'skip_connection', { out, kernel: 1 }));
}

export function spatialTransformer(g: GraphBuilder, x: Value, context: Value, headWidth: number): Value {
  const [, c = 0, height = 0, width = 0] = x.shape;
  const heads = c / headWidth;
  let h = g.conv2d(g.groupNorm(x, 'norm', { eps: 1e-6 }), 'proj_in', { out: c, kernel: 1 });
  let t = g.imageToTokens(h);
  const block = g.at('transformer_blocks.0');
  const attend = (name: string, query: Value, memory: Value): Value => {
    const a = block.at(name);
    const [q, k, v] = ['to_q', 'to_k', 'to_v'].map((n, i) =>
      a.linear(i === 0 ? query : memory, n, { out: c, bias: false }),
    );
    return a.linear(a.attention(q as Value, k as Value, v as Value, { heads }), 'to_out.0', { out: c });
  };
  const n1 = block.layerNorm(t, 'norm1', { eps: 1e-5 });
  t = g.add(t, attend('attn1', n1, n1));
  t = g.add(t, attend('attn2', block.layerNorm(t, 'norm2', { eps: 1e-5 }), context));
  const ff = block.linear(block.layerNorm(t, 'norm3', { eps: 1e-5 }), 'ff.net.0.proj', { out: 8 * c });
  const gated = block.gatedActivation(ff, { activation: 'gelu', gate: 'second' });
  t = g.add(t, block.linear(gated, 'ff.net.2', { out: c }));
  h = g.conv2d(g.tokensToImage(t, height, width), 'proj_out', { out: c, kernel: 1 });
  return g.add(h, x);
}

/** One residual block a level on the way down, two on the way up, as the default model has. */
export function unet(shape: UnetShape): (g: GraphBuilder) => Record<string, Value> {
  return (g) => {
    const { batch, side, channels, mult, headWidth, timeWidth } = shape;
    const x = g.input('x', [batch, 4, side, side], { layout: 'image' });
    const context = g.input('context', [batch, shape.tokens, shape.context]);
    let emb = g.timestepEmbedding(g.input('timestep', [batch]), { dim: channels });
    emb = g.linear(emb, 'time_embed.0', { out: timeWidth, activation: 'silu' });
    emb = g.linear(emb, 'time_embed.2', { out: timeWidth });
    const attends = (level: number) => shape.attention.includes(level);
    let h = g.conv2d(x, 'input_blocks.0.0', { out: channels, kernel: 3 });
    const skips = [h];
    for (const [level, m] of mult.entries()) {
      const at = g.at(`down.${level}`);
      h = resBlock(at.at(0), h, emb, channels * m);
      if (attends(level)) h = spatialTransformer(at.at(1), h, context, headWidth);
      skips.push(h);
      if (level === mult.length - 1) break;
      h = at.conv2d(h, 'op', { out: channels * m, kernel: 3, stride: 2 });
      skips.push(h);
    }
    const widest = h.shape[1] ?? 0;
    h = resBlock(g.at('middle.0'), h, emb, widest);
    h = spatialTransformer(g.at('middle.1'), h, context, headWidth);
    h = resBlock(g.at('middle.2'), h, emb, widest);
    for (const [level, m] of [...mult.entries()].reverse()) {
      for (let i = 0; i < 2; i++) {
        const at = g.at(`up.${level}.${i}`);
        h = resBlock(at.at(0), g.concat([h, skips.pop() as Value], 1), emb, channels * m);
        if (attends(level)) h = spatialTransformer(at.at(1), h, context, headWidth);
      }
      if (level > 0) h = g.at(`up.${level}`).conv2d(h, 'up', { out: channels * m, kernel: 3, upsample: 2 });
    }
    h = g.groupNorm(h, 'out.0', { eps: 1e-5, activation: 'silu' });
    return { out: g.conv2d(h, 'out.2', { out: 4, kernel: 3 }) };
  };
}
