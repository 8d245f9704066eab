/** The reference backend against closed forms written independently in this file. */
import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../../../src/lib/backends/backend';
import { erfc } from '../../../src/lib/backends/reference/ops/activation';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import { GraphBuilder } from '../../../src/lib/graph/builder';
import type { Value } from '../../../src/lib/graph/ir';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import { weightResolver, type NamedWeight, type WeightMap } from '../../../src/lib/graph/weights';

const f32 = (shape: number[], data: Iterable<number>): HostTensor => ({ shape, data: Float32Array.from(data) });
const i32 = (shape: number[], data: Iterable<number>): HostTensor => ({ shape, data: Int32Array.from(data) });
const ramp = (count: number, step = 0.37) => Array.from({ length: count }, (_, i) => Math.sin(1 + i * step) * 2);

/** Runs a one-off graph and gives its only output. */
async function evaluate(
  inputs: Record<string, HostTensor & { layout?: 'image' }>,
  weights: Record<string, HostTensor>,
  build: (b: GraphBuilder, values: Record<string, Value>) => Value,
): Promise<number[]> {
  const map: WeightMap = new Map<string, NamedWeight>(
    Object.entries(weights).map(([name, { shape, data }]) => [
      name,
      memoryWeight(name, shape, Float32Array.from(data)),
    ]),
  );
  const builder = GraphBuilder.create('test', weightResolver(map));
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data, layout }]) => [
      name,
      builder.input(name, shape, {
        layout: layout ?? 'plain',
        elementType: data instanceof Int32Array ? 'i32' : 'f32',
      }),
    ]),
  );
  builder.output('y', build(builder, values));
  const backend = createReferenceBackend();
  const program = await backend.compile(builder.finish(), map);
  const uploaded = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, backend.upload(t)]));
  const { y } = await program.run(uploaded);
  const { data } = await backend.download(y!);
  await backend.dispose();
  return [...data];
}

const image = (tensor: HostTensor) => ({ ...tensor, layout: 'image' as const });
function close(found: readonly number[], expected: readonly number[], digits = 5): void {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, digits);
}

describe('convolution', () => {
  const x = ramp(2 * 3 * 4 * 5);
  const weight = ramp(2 * 3 * 3 * 2, 0.91);
  /** The definition: y[n,o,i,j] = Σ w[o,c,ky,kx] · x̃[n,c,i·s+ky-top,j·s+kx-left]. */
  function definition(stride: number, pad: readonly number[], up: number, circular: boolean): number[] {
    const [H, W] = [4 * up, 5 * up];
    const oh = Math.floor((H + pad[0]! + pad[2]! - 3) / stride) + 1;
    const ow = Math.floor((W + pad[1]! + pad[3]! - 2) / stride) + 1;
    const y: number[] = [];
    for (let n = 0; n < 2; n++)
      for (let o = 0; o < 2; o++)
        for (let i = 0; i < oh; i++)
          for (let j = 0; j < ow; j++) {
            let sum = [0.5, -0.25][o]!;
            for (let c = 0; c < 3; c++)
              for (let ky = 0; ky < 3; ky++)
                for (let kx = 0; kx < 2; kx++) {
                  let yy = i * stride + ky - pad[0]!;
                  let xx = j * stride + kx - pad[3]!;
                  if (circular) [yy, xx] = [(yy + H) % H, (xx + W) % W];
                  if (yy < 0 || xx < 0 || yy >= H || xx >= W) continue;
                  const pixel = x[((n * 3 + c) * 4 + Math.floor(yy / up)) * 5 + Math.floor(xx / up)]!;
                  sum += weight[((o * 3 + c) * 3 + ky) * 2 + kx]! * pixel;
                }
            y.push(sum);
          }
    return y;
  }
  for (const stride of [1, 2]) {
    for (const pad of [
      [0, 0, 0, 0],
      [1, 1, 1, 1],
      [0, 1, 1, 0],
      [2, 0, 1, 1],
    ] as const) {
      for (const upsample of [1, 2] as const) {
        for (const padMode of ['zeros', 'circular'] as const) {
          it(`matches its definition: stride ${stride}, pad ${pad.join()}, upsample ${upsample}, ${padMode}`, async () => {
            const y = await evaluate(
              { x: image(f32([2, 3, 4, 5], x)) },
              { weight: f32([2, 3, 3, 2], weight), bias: f32([2], [0.5, -0.25]) },
              (b, { x }) =>
                b.op('conv2d', [x, b.weight('weight', [2, 3, 3, 2]), b.weight('bias', [2])], {
                  stride,
                  pad,
                  padMode,
                  upsample,
                }),
            );
            close(y, definition(stride, pad, upsample, padMode === 'circular'));
          });
        }
      }
    }
  }

  it('adds bias, then activation, then residual', async () => {
    const y = await evaluate(
      { x: image(f32([1, 1, 1, 2], [1, -1])), r: image(f32([1, 1, 1, 2], [10, 20])) },
      { weight: f32([1, 1, 1, 1], [2]), bias: f32([1], [1]) },
      (b, { x, r }) =>
        b.op('conv2d', [x, b.weight('weight', [1, 1, 1, 1]), b.weight('bias', [1]), r], {
          stride: 1,
          pad: [0, 0, 0, 0],
          padMode: 'zeros',
          upsample: 1,
          activation: 'relu',
        }),
    );
    close(y, [13, 20]);
  });
});

describe('linear', () => {
  it('multiplies by the transposed weight', async () => {
    const y = await evaluate(
      { x: f32([2, 1, 3], [1, 2, 3, 4, 5, 6]), r: f32([2, 1, 2], [0, 0, 100, 100]) },
      { weight: f32([2, 3], [1, 0, -1, 2, 2, 2]), bias: f32([2], [0.5, -30]) },
      (b, { x, r }) =>
        b.op('linear', [x, b.weight('weight', [2, 3]), b.weight('bias', [2]), r], { activation: 'relu' }),
    );
    close(y, [0, 0, 100, 100]);
    const plain = await evaluate(
      { x: f32([1, 3], [1, 2, 3]) },
      { 'l.weight': f32([2, 3], [1, 0, -1, 2, 2, 2]) },
      (b, { x }) => b.linear(x!, 'l', { out: 2, bias: false }),
    );
    close(plain, [-2, 12]);
  });
});

describe('attention', () => {
  const run = (
    q: HostTensor,
    k: HostTensor,
    v: HostTensor,
    options: { heads: number; kvHeads?: number; scale?: number; causal?: boolean },
    bias?: HostTensor,
  ) =>
    evaluate({ q, k, v, ...(bias ? { bias } : {}) }, {}, (b, values) =>
      b.attention(values.q!, values.k!, values.v!, { ...options, ...(bias ? { bias: values.bias! } : {}) }),
    );

  it('averages values when all scores are equal', async () => {
    close(
      await run(f32([1, 1, 2], [0, 0]), f32([1, 3, 2], ramp(6)), f32([1, 3, 2], [1, 2, 3, 4, 5, 9]), { heads: 1 }),
      [3, 5],
    );
  });

  it('does not change when a constant is added to every score, even a large one', async () => {
    const [q, k, v] = [f32([1, 2, 4], ramp(8)), f32([1, 3, 4], ramp(12)), f32([1, 3, 4], ramp(12, 0.7))];
    const plain = await run(q, k, v, { heads: 2 });
    close(await run(q, k, v, { heads: 2 }, f32([1, 1, 1, 3], [1e4, 1e4, 1e4])), plain, 3);
  });

  it('sees no later token when causal, and one token only in the first row', async () => {
    const v = f32([1, 3, 2], [1, 2, 3, 4, 5, 6]);
    const y = await run(f32([1, 3, 2], ramp(6)), f32([1, 3, 2], ramp(6, 1.1)), v, { heads: 1, causal: true });
    close(y.slice(0, 2), [1, 2]);
    const cut = await run(
      f32([1, 2, 2], ramp(6).slice(0, 4)),
      f32([1, 2, 2], ramp(6, 1.1).slice(0, 4)),
      f32([1, 2, 2], [1, 2, 3, 4]),
      { heads: 1 },
    );
    close(y.slice(2, 4), cut.slice(2, 4));
  });

  it('equals repeated keys and values when heads share them', async () => {
    const q = f32([1, 2, 8], ramp(16));
    const k = f32([1, 3, 4], ramp(12, 0.5));
    const v = f32([1, 3, 4], ramp(12, 0.8));
    const repeat = (t: HostTensor) =>
      f32(
        [1, 3, 8],
        [0, 1, 2].flatMap((row) => {
          const at = [...t.data].slice(row * 4, row * 4 + 4);
          return [at[0]!, at[1]!, at[0]!, at[1]!, at[2]!, at[3]!, at[2]!, at[3]!];
        }),
      );
    close(await run(q, k, v, { heads: 4, kvHeads: 2 }), await run(q, repeat(k), repeat(v), { heads: 4 }));
  });

  it('gives zeros where every key is masked', async () => {
    const mask = f32([1, 1, 1, 2], [-Infinity, -Infinity]);
    close(
      await run(f32([1, 1, 2], [1, 2]), f32([1, 2, 2], ramp(4)), f32([1, 2, 2], ramp(4)), { heads: 1 }, mask),
      [0, 0],
    );
  });

  it('matches a hand-computed softmax', async () => {
    // Scores ln 3 and 0 give shares 3/4 and 1/4.
    const y = await run(f32([1, 1, 1], [1]), f32([1, 2, 1], [Math.log(3), 0]), f32([1, 2, 1], [8, 4]), { heads: 1 });
    close(y, [7]);
  });
});

describe('norms', () => {
  it('groupNorm gives each group mean beta and spread gamma', async () => {
    const y = await evaluate(
      { x: image(f32([1, 4, 1, 2], [1, 3, 5, 7, 100, 102, 104, 106])) },
      { 'n.weight': f32([4], [1, 1, 2, 2]), 'n.bias': f32([4], [0, 0, 1, 1]) },
      (b, { x }) => b.groupNorm(x!, 'n', { groups: 2, eps: 0 }),
    );
    const s = Math.sqrt(5);
    close(y, [-3 / s, -1 / s, 1 / s, 3 / s, 1 - 6 / s, 1 - 2 / s, 1 + 2 / s, 1 + 6 / s]);
  });

  it('layerNorm uses the population variance and eps inside the root', async () => {
    close(
      await evaluate({ x: f32([1, 2], [1, 3]) }, {}, (b, { x }) => b.layerNorm(x!, 'n', { eps: 3, affine: 'none' })),
      [-0.5, 0.5],
    );
  });

  it('rmsNorm normalises runs of the last axis', async () => {
    const y = await evaluate({ x: f32([1, 4], [3, 4, 6, 8]) }, { w: f32([2], [1, 2]) }, (b, { x }) =>
      b.rmsNorm(x!, 'w', { eps: 0, size: 2 }),
    );
    const r = Math.sqrt(12.5);
    close(y, [3 / r, 8 / r, 3 / r, 8 / r]);
  });
});

describe('element-wise', () => {
  it('erfc matches published values to 1e-14', () => {
    // Abramowitz & Stegun table 7.1 and its continuation.
    const known: [number, number][] = [
      [0, 1],
      [0.5, 0.4795001221869535],
      [1, 0.15729920705028513],
      [2, 0.004677734981047266],
      [2.5, 0.0004069520174449589],
      [3, 0.000022090496998585441],
      [5, 1.5374597944280349e-12],
      [-1, 1.8427007929497148],
    ];
    for (const [x, y] of known) expect(Math.abs(erfc(x) / y - 1)).toBeLessThan(1e-13);
  });

  it('activations match their formulas', async () => {
    const x = [-20, -3, -1, -0.1, 0, 0.1, 1, 3, 20];
    const apply = (kind: Parameters<GraphBuilder['activation']>[1]) =>
      evaluate({ x: f32([9], x) }, {}, (b, v) => b.activation(v.x!, kind));
    close(
      await apply('silu'),
      x.map((v) => v / (1 + Math.exp(-v))),
    );
    close(
      await apply('quickGelu'),
      x.map((v) => v / (1 + Math.exp(-1.702 * v))),
    );
    close(
      await apply('relu'),
      x.map((v) => (v > 0 ? v : 0)),
    );
    close(await apply('tanh'), x.map(Math.tanh));
    // Φ by the midpoint rule on the normal density.
    const phi = (v: number) => {
      let sum = 0;
      const steps = 20_000;
      for (let i = 0; i < steps; i++) sum += Math.exp(-(((v * (i + 0.5)) / steps) ** 2) / 2);
      return 0.5 + (sum * v) / steps / Math.sqrt(2 * Math.PI);
    };
    close(
      await apply('gelu'),
      x.map((v) => v * phi(v)),
    );
    close(
      await apply('geluTanh'),
      x.map((v) => (v / 2) * (1 + Math.tanh(0.7978845608028654 * (v + 0.044715 * v ** 3)))),
    );
  });

  it('unary kinds with parameters', async () => {
    const x = f32([4], [-2, 0, 1, 4]);
    const apply = (attrs: Parameters<GraphBuilder['unary']>[1]) => evaluate({ x }, {}, (b, v) => b.unary(v.x!, attrs));
    close(await apply({ kind: 'leakyRelu', slope: 0.25 }), [-0.5, 0, 1, 4]);
    close(await apply({ kind: 'affine', scale: 2, offset: 1 }), [-3, 1, 3, 9]);
    close(await apply({ kind: 'clamp', min: -1, max: 2 }), [-1, 0, 1, 2]);
    close(await apply({ kind: 'square' }), [4, 0, 1, 16]);
  });

  it('binary broadcasts like numpy', async () => {
    const y = await evaluate({ a: f32([2, 1, 3], [1, 2, 3, 4, 5, 6]), b: f32([2, 1], [10, 20]) }, {}, (b, v) =>
      b.add(v.a!, v.b!),
    );
    close(y, [11, 12, 13, 21, 22, 23, 14, 15, 16, 24, 25, 26]);
    close(await evaluate({ a: f32([2], [1, 2]), b: f32([1], [3]) }, {}, (b, v) => b.sub(v.b!, v.a!)), [2, 1]);
  });

  it('lincomb, gated activation, modulate', async () => {
    const v = { a: f32([2], [1, 2]), b: f32([2], [3, 5]) };
    close(
      await evaluate(v, {}, (b, { a, b: c }) =>
        b.lincomb([
          [2, a!],
          [-1, c!],
        ]),
      ),
      [-1, -1],
    );
    const gate = (side: 'first' | 'second') =>
      evaluate({ x: f32([1, 4], [1, 2, 3, -4]) }, {}, (b, { x }) =>
        b.gatedActivation(x!, { activation: 'silu', gate: side }),
      );
    const silu = (z: number) => z / (1 + Math.exp(-z));
    close(await gate('first'), [silu(1) * 3, silu(2) * -4]);
    close(await gate('second'), [silu(3) * 1, silu(-4) * 2]);
    close(
      await evaluate(
        { x: f32([2, 2, 1], [1, 2, 3, 4]), s: f32([2, 1, 1], [1, -1]), t: f32([2, 1, 1], [0.5, 7]) },
        {},
        (b, { x, s, t }) => b.modulate(x!, s!, t),
      ),
      [2.5, 4.5, 7, 7],
    );
  });
});

describe('layout', () => {
  it('joins, cuts and permutes', async () => {
    const x = f32([2, 3], [1, 2, 3, 4, 5, 6]);
    close(await evaluate({ x }, {}, (b, v) => b.transpose(v.x!, [1, 0])), [1, 4, 2, 5, 3, 6]);
    close(await evaluate({ x }, {}, (b, v) => b.slice(v.x!, 1, 1, 2)), [2, 3, 5, 6]);
    close(await evaluate({ x }, {}, (b, v) => b.concat([v.x!, v.x!], 1)), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
    const y = await evaluate({ x: f32([2, 3, 4], ramp(24)) }, {}, (b, v) =>
      b.transpose(b.transpose(v.x!, [2, 0, 1]), [1, 2, 0]),
    );
    close(y, ramp(24));
  });

  it('tokens are pixels in reading order', async () => {
    const x = image(f32([1, 2, 1, 3], [1, 2, 3, 10, 20, 30]));
    close(await evaluate({ x }, {}, (b, v) => b.imageToTokens(v.x!)), [1, 10, 2, 20, 3, 30]);
    close(await evaluate({ x }, {}, (b, v) => b.tokensToImage(b.imageToTokens(v.x!), 1, 3)), [1, 2, 3, 10, 20, 30]);
  });

  it('shuffles in both channel orders and back', async () => {
    const x = image(f32([1, 8, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7]));
    close(await evaluate({ x }, {}, (b, v) => b.pixelShuffle(v.x!, 2, 'cyx')), [0, 1, 2, 3, 4, 5, 6, 7]);
    close(await evaluate({ x }, {}, (b, v) => b.pixelShuffle(v.x!, 2, 'yxc')), [0, 2, 4, 6, 1, 3, 5, 7]);
    const wide = image(f32([2, 8, 3, 2], ramp(96)));
    for (const order of ['cyx', 'yxc'] as const) {
      close(
        await evaluate({ x: wide }, {}, (b, v) => b.pixelUnshuffle(b.pixelShuffle(v.x!, 2, order), 2, order)),
        ramp(96),
      );
    }
  });

  it('enlarges by repetition and shrinks by the mean', async () => {
    const x = image(f32([1, 1, 1, 2], [1, 3]));
    close(await evaluate({ x }, {}, (b, v) => b.upsampleNearest(v.x!, 2)), [1, 1, 3, 3, 1, 1, 3, 3]);
    close(
      await evaluate({ x: image(f32([1, 1, 2, 4], [1, 3, 5, 5, 5, 7, 5, 9])) }, {}, (b, v) => b.averagePool(v.x!, 2)),
      [4, 6],
    );
  });
});

describe('sequence', () => {
  it('embedding takes rows and refuses ids outside', async () => {
    const table = { w: f32([3, 2], [1, 2, 3, 4, 5, 6]) };
    const run = (ids: number[]) =>
      evaluate({ ids: i32([1, 2], ids) }, table, (b, v) => b.embedding(v.ids!, 'w', { count: 3, width: 2 }));
    close(await run([2, 0]), [5, 6, 1, 2]);
    await expect(run([3, 0])).rejects.toMatchObject({ code: 'backend/run' });
    await expect(run([-1, 0])).rejects.toMatchObject({ code: 'backend/run' });
  });

  it('gatherToken picks one token per sequence', async () => {
    const y = await evaluate({ x: f32([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), i: i32([2], [1, 0]) }, {}, (b, v) =>
      b.gatherToken(v.x!, v.i!),
    );
    close(y, [3, 4, 5, 6]);
  });

  it('timestep features are sinusoids of falling frequency', async () => {
    const f = [1, 0.01];
    const t = 12.5;
    const cos = f.map((w) => Math.cos(w * t));
    const sin = f.map((w) => Math.sin(w * t));
    const x = { t: f32([1], [t]) };
    close(await evaluate(x, {}, (b, v) => b.timestepEmbedding(v.t!, { dim: 4 })), [...cos, ...sin]);
    close(await evaluate(x, {}, (b, v) => b.timestepEmbedding(v.t!, { dim: 4, first: 'sin' })), [...sin, ...cos]);
    const shifted = [1, 1e-4].map((w) => Math.cos(w * t * 2));
    const y = await evaluate(x, {}, (b, v) => b.timestepEmbedding(v.t!, { dim: 4, freqShift: 1, scale: 2 }));
    close(y.slice(0, 2), shifted, 4);
  });

  it('rope turns pairs by their angle and keeps lengths', async () => {
    const x = ramp(2 * 8);
    const angles = [0.3, 1.2, -0.4, 2.5];
    const run = (pairing: 'interleaved' | 'halves') =>
      evaluate(
        { x: f32([1, 2, 8], x), cos: f32([1, 2, 2], angles.map(Math.cos)), sin: f32([1, 2, 2], angles.map(Math.sin)) },
        {},
        (b, v) => b.rope(v.x!, v.cos!, v.sin!, { heads: 2, pairing }),
      );
    for (const [pairing, partner] of [
      [
        'interleaved',
        [
          [0, 1],
          [2, 3],
        ],
      ],
      [
        'halves',
        [
          [0, 2],
          [1, 3],
        ],
      ],
    ] as const) {
      const expected = [...x];
      for (let token = 0; token < 2; token++)
        for (let head = 0; head < 2; head++)
          for (const [i, [p, q]] of partner.entries()) {
            const at = token * 8 + head * 4;
            const [r, phi] = [Math.hypot(x[at + p]!, x[at + q]!), Math.atan2(x[at + q]!, x[at + p]!)];
            expected[at + p] = r * Math.cos(phi + angles[token * 2 + i]!);
            expected[at + q] = r * Math.sin(phi + angles[token * 2 + i]!);
          }
      close(await run(pairing), expected);
    }
  });
});

describe('weights', () => {
  const data = Float32Array.from({ length: 12 }, (_, i) => i);
  const run = async (named: NamedWeight, shape: number[]) => {
    const map: WeightMap = new Map([['w', named]]);
    const b = GraphBuilder.create('test', weightResolver(map));
    b.output('y', b.reshape(b.weight('w', shape), shape));
    const backend = createReferenceBackend();
    const { y } = await (await backend.compile(b.finish(), map)).run({});
    return [...(await backend.download(y!)).data];
  };

  it('reads a range of rows and transposes', async () => {
    const stored = memoryWeight('w', [4, 3], data);
    close(await run({ ...stored, rows: { start: 1, count: 2 } }, [2, 3]), [3, 4, 5, 6, 7, 8]);
    close(await run({ ...stored, transposed: true }, [3, 4]), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    close(await run({ ...stored, rows: { start: 2, count: 2 }, transposed: true }, [3, 2]), [6, 9, 7, 10, 8, 11]);
  });

  it('names a weight that the map lacks', async () => {
    const b = GraphBuilder.create('test', () => ({ type: 'F32', shape: [2] }));
    b.output('y', b.add(b.weight('gone', [2]), b.weight('gone', [2])));
    await expect(createReferenceBackend().compile(b.finish(), new Map())).rejects.toMatchObject({
      code: 'graph/unknown-weight',
      details: { name: 'gone' },
    });
  });
});
