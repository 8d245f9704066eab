/** Parts that diffusion transformers share. Source: Peebles & Xie 2023; Esser et al. 2024; black-forest-labs/flux. */
import { AppError } from '../../base/errors';
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { DIT_LAYER_NORM_EPS, DIT_QK_NORM_EPS } from '../norm_eps';
import type { RopeTables } from './rope_table';

/** Linear, SiLU, linear: embeddings of time, guidance and pooled text. */
export function embedMlp(
  g: GraphBuilder,
  x: Value,
  name: string,
  { width, bias = true }: { width: number; bias?: boolean },
): Value {
  const hidden = g.linear(x, `${name}.linear_1`, { out: width, activation: 'silu', bias });
  return g.linear(hidden, `${name}.linear_2`, { out: width, bias });
}

/** A vector [N, count·D] as `count` tokens [N, 1, D]. */
export function chunks(g: GraphBuilder, vector: Value, count: number): Value[] {
  const [n = 0, width = 0] = vector.shape;
  const d = width / count;
  return g.split(g.reshape(vector, [n, 1, width]), 2, new Array<number>(count).fill(d));
}

export interface Modulation {
  readonly shift: Value;
  readonly scale: Value;
  readonly gate: Value;
}

/** Consecutive (shift, scale, gate) triples. */
export function triples(values: readonly Value[]): Modulation[] {
  const found: Modulation[] = [];
  for (let i = 0; i + 2 < values.length; i += 3) {
    const [shift, scale, gate] = values.slice(i, i + 3);
    if (shift && scale && gate) found.push({ shift, scale, gate });
  }
  return found;
}

/** One (shift, scale, gate). */
export function oneModulation(values: readonly Value[]): Modulation {
  const [only] = triples(values);
  if (only) return only;
  throw new AppError('internal/unexpected', `modulation: needs shift, scale and gate, got ${values.length} values.`);
}

/** Two (shift, scale, gate): attention, feed-forward. */
export function twoModulations(values: readonly Value[]): readonly [Modulation, Modulation] {
  return [oneModulation(values.slice(0, 3)), oneModulation(values.slice(3, 6))];
}

/** LayerNorm without weights, then scale and shift. */
export function modulatedNorm(g: GraphBuilder, x: Value, { scale, shift }: Pick<Modulation, 'scale' | 'shift'>): Value {
  return g.modulate(g.layerNorm(x, '', { eps: DIT_LAYER_NORM_EPS, affine: 'none' }), scale, shift);
}

export interface Projections {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** Queries, keys and values, normalised per head where the network does so. */
export function projectQkv(
  g: GraphBuilder,
  x: Value,
  names: { q: string; k: string; v: string; normQ?: string; normK?: string },
  { width, headDim, bias, eps = DIT_QK_NORM_EPS }: { width: number; headDim: number; bias: boolean; eps?: number },
): Projections {
  const q = g.linear(x, names.q, { out: width, bias });
  const k = g.linear(x, names.k, { out: width, bias });
  const v = g.linear(x, names.v, { out: width, bias });
  if (names.normQ === undefined || names.normK === undefined) return { q, k, v };
  const norm = (value: Value, name: string) => g.rmsNorm(value, `${name}.weight`, { eps, size: headDim });
  return { q: norm(q, names.normQ), k: norm(k, names.normK), v };
}

/** Attention over two streams joined along the tokens, `first` before `second`; returns both parts. */
export function jointAttention(
  g: GraphBuilder,
  first: Projections,
  second: Projections,
  { heads, rope, bias }: { heads: number; rope?: RopeTables; bias?: Value },
): [Value, Value] {
  const join = (a: Value, b: Value) => g.concat([a, b], 1);
  const turn = (x: Value) => (rope ? g.rope(x, rope.cos, rope.sin, { heads, pairing: 'interleaved' }) : x);
  const y = g.attention(turn(join(first.q, second.q)), turn(join(first.k, second.k)), join(first.v, second.v), {
    heads,
    ...(bias ? { bias } : {}),
  });
  const lengths = [first.q.shape[1] ?? 0, second.q.shape[1] ?? 0];
  const [a, b] = g.split(y, 1, lengths);
  return [a ?? y, b ?? y];
}

/** x + gate · y */
export function gated(g: GraphBuilder, x: Value, gate: Value, y: Value): Value {
  return g.add(x, g.mul(gate, y));
}

/** Largest negative number that hides a key in f16 as well as in f32: exp of it is 0 beside any finite score. */
const HIDDEN = -30_000;

/** Attention bias [N, 1, 1, T] of a mask [N, T] (1 = takes part). */
export function maskBias(g: GraphBuilder, mask: Value): Value {
  const [n = 0, t = 0] = mask.shape;
  return g.reshape(g.unary(mask, { kind: 'affine', scale: -HIDDEN, offset: HIDDEN }), [n, 1, 1, t]);
}
