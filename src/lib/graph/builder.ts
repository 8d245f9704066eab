/**
 * Builds graphs. Network functions call it so that they read like the paper; it checks every shape at once and names
 * the layer in the error. Missing and misshapen weights are collected, so that one error lists all of them.
 */
import { AppError } from '../base/errors';
import { elementCount, formatShape, type Shape } from '../base/shape';
import type { QuantTypeId } from '../quant/registry';
import type { AnyNode, ElementType, Graph, Layout, TensorType, Value, ValueId, ValueSource } from './ir';
import type { Activation } from './ops/activation';
import type { AttentionAttrs } from './ops/attention';
import type { GatedActivationAttrs } from './ops/gated_activation';
import { opDef, type OpAttrs, type OpName } from './ops/registry';
import type { RopeAttrs } from './ops/rope';
import type { TimestepEmbeddingAttrs } from './ops/timestep_embedding';
import type { UnaryAttrs } from './ops/unary';

/** What a weight is made of, as far as a graph needs to know. */
export interface WeightInfo {
  readonly type: QuantTypeId;
  readonly shape: Shape;
}

/** Looks a weight up by the family's canonical name; undefined when the file does not have it. */
export type WeightResolver = (name: string) => WeightInfo | undefined;

interface BuilderState {
  readonly graphName: string;
  readonly resolve: WeightResolver;
  readonly values: Value[];
  readonly nodes: AnyNode[];
  readonly inputs: Map<string, ValueId>;
  readonly outputs: Map<string, ValueId>;
  readonly taps: Map<string, ValueId>;
  readonly weights: Map<string, Value>;
  readonly missing: string[];
  readonly misshapen: { name: string; expected: Shape; found: Shape }[];
}

export interface LinearOptions {
  readonly out: number;
  readonly bias?: boolean;
  readonly activation?: Activation;
}

export interface ConvOptions {
  readonly out: number;
  /** Side of the square kernel, odd unless `pad` is given. */
  readonly kernel: number;
  readonly stride?: number;
  /** One number for all sides, or top, right, bottom, left; default keeps the size at stride 1. */
  readonly pad?: number | readonly [number, number, number, number];
  readonly bias?: boolean;
  readonly upsample?: 1 | 2;
  readonly activation?: Activation;
}

export class GraphBuilder {
  readonly #state: BuilderState;
  readonly #prefix: string;
  /** Convolutions wrap around when true: the tiling option. */
  readonly #circular: boolean;

  private constructor(state: BuilderState, prefix: string, circular: boolean) {
    this.#state = state;
    this.#prefix = prefix;
    this.#circular = circular;
  }

  static create(graphName: string, resolve: WeightResolver, options: { circular?: boolean } = {}): GraphBuilder {
    const state: BuilderState = {
      graphName,
      resolve,
      values: [],
      nodes: [],
      inputs: new Map(),
      outputs: new Map(),
      taps: new Map(),
      weights: new Map(),
      missing: [],
      misshapen: [],
    };
    return new GraphBuilder(state, '', options.circular ?? false);
  }

  /** The same builder with weight and layer names below `prefix`. */
  at(prefix: string | number): GraphBuilder {
    return new GraphBuilder(this.#state, this.#name(String(prefix)), this.#circular);
  }

  #name(name: string): string {
    if (name === '') return this.#prefix;
    return this.#prefix === '' ? name : `${this.#prefix}.${name}`;
  }

  #value(type: TensorType, source: ValueSource): Value {
    const value: Value = {
      id: this.#state.values.length,
      shape: type.shape,
      elementType: type.elementType,
      layout: type.layout,
      source,
    };
    this.#state.values.push(value);
    return value;
  }

  input(name: string, shape: Shape, options: { layout?: Layout; elementType?: ElementType } = {}): Value {
    const type = { shape, layout: options.layout ?? 'plain', elementType: options.elementType ?? 'f32' };
    const value = this.#value(type, { kind: 'input', name });
    this.#state.inputs.set(name, value.id);
    return value;
  }

  constant(data: Float32Array | Int32Array, shape: Shape): Value {
    const elementType = data instanceof Int32Array ? 'i32' : 'f32';
    return this.#value({ shape, elementType, layout: 'plain' }, { kind: 'constant', data });
  }

  /** True when the file has the weight `name` below this prefix; for parts that some checkpoints lack. */
  has(name: string): boolean {
    return this.#state.resolve(this.#name(name)) !== undefined;
  }

  /**
   * A weight leaf of the given shape. Axes of size 1 may differ from the file (1x1 convolutions stored as matrices).
   * A missing or misshapen weight is remembered and reported by `finish`.
   */
  weight(name: string, shape: Shape): Value {
    const full = this.#name(name);
    const known = this.#state.weights.get(full);
    if (known) return known;
    const info = this.#state.resolve(full);
    if (!info) this.#state.missing.push(full);
    else if (!sameUpToOnes(info.shape, shape)) {
      this.#state.misshapen.push({ name: full, expected: shape, found: info.shape });
    }
    const type: TensorType = { shape, elementType: 'f32', layout: 'plain' };
    const value = this.#value(type, { kind: 'weight', name: full, type: info?.type ?? 'F32' });
    this.#state.weights.set(full, value);
    return value;
  }

  /** Appends a node. The typed methods below are the usual way. */
  op<O extends OpName>(op: O, inputs: readonly (Value | undefined)[], attrs: OpAttrs[O], scope = ''): Value {
    const layer = this.#name(scope);
    let type: TensorType;
    try {
      type = opDef(op).infer(inputs, attrs);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new AppError(error.code, `${this.#state.graphName}, layer ${layer || '(top)'}: ${error.message}`, {
        details: { ...error.details, layer },
        cause: error,
      });
    }
    const output = this.#value(type, { kind: 'node', node: this.#state.nodes.length });
    const node = { op, inputs: inputs.map((value) => value?.id), attrs, output: output.id, scope: layer };
    // Sound: `op` and `attrs` come from the same type parameter; TypeScript cannot tie them in a union.
    this.#state.nodes.push(node as unknown as AnyNode);
    return output;
  }

  linear(x: Value, name: string, { out, bias = true, activation }: LinearOptions): Value {
    const k = x.shape.at(-1) ?? 0;
    const layer = this.at(name);
    const inputs = [x, layer.weight('weight', [out, k]), bias ? layer.weight('bias', [out]) : undefined];
    return layer.op('linear', inputs, activation ? { activation } : {});
  }

  conv2d(x: Value, name: string, options: ConvOptions): Value {
    const { out, kernel, stride = 1, pad = Math.floor(kernel / 2), bias = true, upsample = 1, activation } = options;
    const layer = this.at(name);
    const weight = layer.weight('weight', [out, x.shape[1] ?? 0, kernel, kernel]);
    const sides = typeof pad === 'number' ? ([pad, pad, pad, pad] as const) : pad;
    const padMode = this.#circular ? 'circular' : 'zeros';
    const attrs = { stride, pad: sides, padMode, upsample, ...(activation ? { activation } : {}) } as const;
    return layer.op('conv2d', [x, weight, bias ? layer.weight('bias', [out]) : undefined], attrs);
  }

  groupNorm(
    x: Value,
    name: string,
    { groups = 32, eps, activation }: { groups?: number; eps: number; activation?: Activation },
  ): Value {
    const c = x.shape[1] ?? 0;
    const layer = this.at(name);
    const inputs = [x, layer.weight('weight', [c]), layer.weight('bias', [c])];
    return layer.op('groupNorm', inputs, { groups, eps, ...(activation ? { activation } : {}) });
  }

  /** `affine: 'none'` normalises only; `'weight'` has no bias. */
  layerNorm(
    x: Value,
    name: string,
    { eps, affine = 'both' }: { eps: number; affine?: 'both' | 'weight' | 'none' },
  ): Value {
    const d = x.shape.at(-1) ?? 0;
    const layer = this.at(name);
    const weight = affine === 'none' ? undefined : layer.weight('weight', [d]);
    const bias = affine === 'both' ? layer.weight('bias', [d]) : undefined;
    return layer.op('layerNorm', [x, weight, bias], { eps });
  }

  /** `name` is the weight's own full name, since files disagree on it (`scale`, `weight`); undefined: no weight. */
  rmsNorm(x: Value, name: string | undefined, { eps, size }: { eps: number; size?: number }): Value {
    const run = size ?? x.shape.at(-1) ?? 0;
    return this.op('rmsNorm', [x, name === undefined ? undefined : this.weight(name, [run])], { eps, size: run }, name);
  }

  attention(
    q: Value,
    k: Value,
    v: Value,
    options: { heads: number; kvHeads?: number; scale?: number; causal?: boolean; bias?: Value },
  ): Value {
    const { heads, kvHeads = heads, causal = false, bias } = options;
    const scale = options.scale ?? 1 / Math.sqrt((q.shape[2] ?? 0) / heads);
    const attrs: AttentionAttrs = { heads, kvHeads, scale, causal };
    return this.op('attention', [q, k, v, bias], attrs, 'attention');
  }

  modulate(x: Value, scale: Value, shift?: Value): Value {
    return this.op('modulate', [x, scale, shift], {});
  }

  unary(x: Value, attrs: UnaryAttrs): Value {
    return this.op('unary', [x], attrs);
  }

  activation(x: Value, kind: Activation): Value {
    return this.op('unary', [x], { kind });
  }

  gatedActivation(x: Value, attrs: GatedActivationAttrs): Value {
    return this.op('gatedActivation', [x], attrs);
  }

  add(a: Value, b: Value): Value {
    return this.op('binary', [a, b], { kind: 'add' });
  }

  sub(a: Value, b: Value): Value {
    return this.op('binary', [a, b], { kind: 'sub' });
  }

  mul(a: Value, b: Value): Value {
    return this.op('binary', [a, b], { kind: 'mul' });
  }

  lincomb(terms: readonly (readonly [number, Value])[]): Value {
    return this.op(
      'lincomb',
      terms.map(([, value]) => value),
      { coefficients: terms.map(([coefficient]) => coefficient) },
    );
  }

  concat(xs: readonly Value[], axis: number): Value {
    return this.op('concat', xs, { axis });
  }

  slice(x: Value, axis: number, start: number, length: number): Value {
    return this.op('slice', [x], { axis, start, length });
  }

  /** Cuts one axis into consecutive parts of the given lengths. */
  split(x: Value, axis: number, lengths: readonly number[]): Value[] {
    let start = 0;
    return lengths.map((length) => {
      const part = this.slice(x, axis, start, length);
      start += length;
      return part;
    });
  }

  reshape(x: Value, shape: Shape): Value {
    return this.op('reshape', [x], { shape });
  }

  transpose(x: Value, order: readonly number[]): Value {
    return this.op('transpose', [x], { order });
  }

  upsampleNearest(x: Value, factor: number): Value {
    return this.op('upsampleNearest', [x], { factor });
  }

  averagePool(x: Value, size: number): Value {
    return this.op('averagePool', [x], { size });
  }

  pixelShuffle(x: Value, factor: number, order: 'cyx' | 'yxc' = 'cyx'): Value {
    return this.op('pixelShuffle', [x], { factor, order });
  }

  pixelUnshuffle(x: Value, factor: number, order: 'cyx' | 'yxc' = 'cyx'): Value {
    return this.op('pixelUnshuffle', [x], { factor, order });
  }

  imageToTokens(x: Value): Value {
    return this.op('imageToTokens', [x], {});
  }

  tokensToImage(x: Value, height: number, width: number): Value {
    return this.op('tokensToImage', [x], { height, width });
  }

  vectorToImage(x: Value): Value {
    return this.op('vectorToImage', [x], {});
  }

  /** Rows of the table `name` (its full weight name, such as `token_embedding.weight`). */
  embedding(ids: Value, name: string, { count, width }: { count: number; width: number }): Value {
    return this.op('embedding', [ids, this.weight(name, [count, width])], {}, name);
  }

  gatherToken(x: Value, index: Value): Value {
    return this.op('gatherToken', [x, index], {});
  }

  timestepEmbedding(t: Value, attrs: Partial<TimestepEmbeddingAttrs> & { dim: number }): Value {
    const defaults = { first: 'cos', maxPeriod: 10_000, freqShift: 0, scale: 1 } as const;
    return this.op('timestepEmbedding', [t], { ...defaults, ...attrs });
  }

  rope(x: Value, cos: Value, sin: Value, attrs: RopeAttrs): Value {
    return this.op('rope', [x, cos, sin], attrs);
  }

  /** Names an intermediate result, so that tests can say which block is off. Costs nothing in a program. */
  tap(name: string, value: Value): void {
    this.#state.taps.set(this.#name(name), value.id);
  }

  output(name: string, value: Value): void {
    this.#state.outputs.set(name, value.id);
  }

  /**
   * The finished graph.
   * @throws AppError 'model/missing-tensors' or 'model/wrong-shape' that lists every weight concerned
   */
  finish(): Graph {
    const { graphName, values, nodes, inputs, outputs, taps, missing, misshapen } = this.#state;
    if (missing.length > 0) {
      throw new AppError(
        'model/missing-tensors',
        `${graphName}: ${missing.length} tensors are missing (${preview(missing)}); the file is incomplete or of another family. Get it again or choose another.`,
        { details: { graph: graphName, missing } },
      );
    }
    if (misshapen.length > 0) {
      const lines = misshapen.map((m) => `${m.name} is ${formatShape(m.found)}, must be ${formatShape(m.expected)}`);
      throw new AppError(
        'model/wrong-shape',
        `${graphName}: ${misshapen.length} tensors have another shape (${preview(lines)}); the file is of another family or damaged.`,
        { details: { graph: graphName, misshapen } },
      );
    }
    return { name: graphName, values, nodes, inputs, outputs, taps };
  }
}

function preview(items: readonly string[]): string {
  const shown = items.slice(0, 8).join(', ');
  return items.length > 8 ? `${shown}, … and ${items.length - 8} more` : shown;
}

function sameUpToOnes(found: Shape, expected: Shape): boolean {
  if (elementCount(found) !== elementCount(expected)) return false;
  const a = found.filter((size) => size !== 1);
  const b = expected.filter((size) => size !== 1);
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
