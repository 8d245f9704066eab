/** Small graphs and random weights for tests of passes, plans and hashes. */
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import type { Graph, Value } from '../../../src/lib/graph/ir';
import { valueOf } from '../../../src/lib/graph/ir';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import type { NamedWeight, WeightMap } from '../../../src/lib/graph/weights';
import type { AppError } from '../../../src/lib/base/errors';
import { elementCount, type Shape } from '../../../src/lib/base/shape';
import { createRandom, seedOf } from '../../../src/lib/backends/op_cases/random';

export function randomData(seed: string, shape: Shape, scale = 1): Float32Array<ArrayBuffer> {
  const random = createRandom(seedOf(seed));
  return Float32Array.from({ length: elementCount(shape) }, () => random.normal() * scale);
}

/** A graph whose weights have whatever shape it asks for: two runs of `build`, the first only to learn the shapes. */
export function buildGraph(name: string, build: (b: GraphBuilder) => void): Graph {
  const wanted = new Map<string, Shape>();
  const probe = GraphBuilder.create(name, () => ({ type: 'F32', shape: [0] }));
  build(probe);
  try {
    probe.finish();
  } catch (error) {
    // The error lists every weight with the shape that the graph wants.
    const { misshapen } = (error as AppError).details as { misshapen: { name: string; expected: Shape }[] };
    for (const { name: key, expected } of misshapen) wanted.set(key, expected);
  }
  const b = GraphBuilder.create(name, (key) => {
    const shape = wanted.get(key);
    return shape && { type: 'F32', shape };
  });
  build(b);
  return b.finish();
}

/** The same with random weights. */
export function buildFree(name: string, build: (b: GraphBuilder) => void): { graph: Graph; weights: WeightMap } {
  const graph = buildGraph(name, build);
  const weights = new Map<string, NamedWeight>();
  for (const { shape, source } of graph.values) {
    if (source.kind !== 'weight') continue;
    const fan = Math.max(1, elementCount(shape.slice(1)));
    weights.set(source.name, memoryWeight(source.name, shape, randomData(source.name, shape, 1 / Math.sqrt(fan))));
  }
  return { graph, weights };
}

/** All outputs of a graph on the reference, inputs random unless given. */
export async function runReference(
  graph: Graph,
  weights: WeightMap,
  given: Readonly<Record<string, Float32Array>> = {},
): Promise<Record<string, Float32Array>> {
  const backend = createReferenceBackend();
  const program = await backend.compile(graph, weights);
  const inputs = Object.fromEntries(
    [...graph.inputs].map(([name, id]) => {
      const { shape } = valueOf(graph, id);
      return [name, backend.upload({ shape, data: given[name] ?? randomData(name, shape) })];
    }),
  );
  const outputs = await program.run(inputs);
  const data: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    data[name] = (await backend.download(tensor)).data as Float32Array;
  }
  await backend.dispose();
  return data;
}

/** A U-Net with two levels, skips, attention and a time vector: the shape of plan that real models have. */
export function unetLike(b: GraphBuilder, size = 16, c = 32, levels = 2): void {
  const x = b.input('x', [1, 4, size, size], { layout: 'image' });
  const context = b.input('context', [1, 7, 24]);
  const time = b.activation(b.linear(b.timestepEmbedding(b.input('t', [1]), { dim: 32 }), 'time', { out: 48 }), 'silu');
  const resnet = (g: GraphBuilder, h: Value, out: number): Value => {
    let y = g.conv2d(g.activation(g.groupNorm(h, 'norm1', { eps: 1e-5, groups: 8 }), 'silu'), 'conv1', {
      out,
      kernel: 3,
    });
    y = g.add(y, g.vectorToImage(g.linear(time, 'time', { out })));
    y = g.conv2d(g.groupNorm(y, 'norm2', { eps: 1e-5, groups: 8, activation: 'silu' }), 'conv2', { out, kernel: 3 });
    const skip = h.shape[1] === out ? h : g.conv2d(h, 'skip', { out, kernel: 1 });
    return g.add(skip, y);
  };
  const block = (g: GraphBuilder, h: Value): Value => {
    const [, width = 0, height = 0, columns = 0] = h.shape;
    let t = g.imageToTokens(g.groupNorm(h, 'norm', { eps: 1e-6, groups: 8 }));
    const n = g.layerNorm(t, 'ln1', { eps: 1e-5 });
    const q = g.linear(n, 'q', { out: width, bias: false });
    const k = g.linear(context, 'k', { out: width, bias: false });
    const v = g.linear(context, 'v', { out: width, bias: false });
    t = g.add(t, g.linear(g.attention(q, k, v, { heads: 2 }), 'o', { out: width }));
    const ff = g.gatedActivation(g.linear(g.layerNorm(t, 'ln2', { eps: 1e-5 }), 'ff1', { out: 8 * width }), {
      activation: 'gelu',
      gate: 'second',
    });
    t = g.add(t, g.linear(ff, 'ff2', { out: width }));
    return g.add(h, g.tokensToImage(t, height, columns));
  };
  let h = b.conv2d(x, 'in', { out: c, kernel: 3 });
  const skips = [h];
  for (let level = 0; level < levels; level++) {
    for (let i = 0; i < 2; i++) {
      h = block(b.at(`down.${level}.${i}.attn`), resnet(b.at(`down.${level}.${i}`), h, c << level));
      skips.push(h);
    }
    if (level < levels - 1) {
      h = b.conv2d(h, `down.${level}.half`, { out: c << level, kernel: 3, stride: 2 });
      skips.push(h);
    }
  }
  h = resnet(b.at('mid'), h, c << (levels - 1));
  b.tap('mid', h);
  for (let level = levels - 1; level >= 0; level--) {
    for (let i = 0; i < 3; i++) {
      const skip = skips.pop();
      if (skip) h = b.concat([h, skip], 1);
      h = block(b.at(`up.${level}.${i}.attn`), resnet(b.at(`up.${level}.${i}`), h, c << level));
    }
    if (level > 0) h = b.conv2d(b.upsampleNearest(h, 2), `up.${level}.double`, { out: c << level, kernel: 3 });
  }
  b.output(
    'y',
    b.conv2d(b.activation(b.groupNorm(h, 'out_norm', { eps: 1e-5, groups: 8 }), 'silu'), 'out', { out: 4, kernel: 3 }),
  );
}

/** A diffusion transformer: long tokens, modulation, fused qkv, rotary positions. */
export function ditLike(b: GraphBuilder, blocks = 3, tokens = 20, width = 32): void {
  let x = b.linear(b.input('x', [1, tokens, 16]), 'in', { out: width });
  const cos = b.input('cos', [1, tokens, width / 4]);
  const sin = b.input('sin', [1, tokens, width / 4]);
  const vector = b.activation(b.linear(b.input('pooled', [1, 12]), 'vector', { out: width }), 'silu');
  for (let i = 0; i < blocks; i++) {
    const g = b.at(`blocks.${i}`);
    const parts = g.split(
      g.reshape(g.linear(vector, 'mod', { out: 6 * width }), [1, 1, 6 * width]),
      2,
      Array(6).fill(width),
    );
    const norm = (value: Value, scale: Value, shift: Value) =>
      g.modulate(g.layerNorm(value, '', { eps: 1e-6, affine: 'none' }), scale, shift);
    const [q, k, v] = g.split(g.linear(norm(x, parts[0]!, parts[1]!), 'qkv', { out: 3 * width }), 2, [
      width,
      width,
      width,
    ]);
    const turn = (value: Value, name: string) =>
      g.rope(g.rmsNorm(value, name, { eps: 1e-6, size: width / 2 }), cos, sin, { heads: 2, pairing: 'interleaved' });
    const y = g.attention(turn(q!, 'qn'), turn(k!, 'kn'), v!, { heads: 2 });
    x = g.add(x, g.mul(g.linear(y, 'proj', { out: width }), parts[2]!));
    const mlp = g.linear(
      g.linear(norm(x, parts[3]!, parts[4]!), 'fc1', { out: 4 * width, activation: 'geluTanh' }),
      'fc2',
      { out: width },
    );
    x = g.add(x, g.mul(mlp, parts[5]!));
  }
  b.output('y', b.linear(b.layerNorm(x, '', { eps: 1e-6, affine: 'none' }), 'out', { out: 16 }));
}
