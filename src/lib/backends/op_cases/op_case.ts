/**
 * One case of the operator table: a one-op graph with seeded inputs and weights, and the error it may have.
 * Serves correctness, speed, the support matrix and the operator catalogue. Runs in browsers and in Node.
 */
import { AppError } from '../../base/errors';
import { elementCount, type Shape } from '../../base/shape';
import { graphCost } from '../../graph/cost';
import { GraphBuilder } from '../../graph/builder';
import type { Graph, Value } from '../../graph/ir';
import { memoryWeight } from '../../graph/memory_weight';
import type { OpName } from '../../graph/ops/registry';
import { weightResolver, type NamedWeight, type WeightMap } from '../../graph/weights';
import type { HostTensor } from '../backend';
import { randomWeight, type CaseWeightType } from './packed';
import { createRandom, seedOf, type Random } from './random';

/** How an engine stores activations; sums are f32 in both. */
export type Precision = 'f32' | 'f16';

/** Largest normalised mean squared error Σ(a-b)² / Σb², with the reason in `bounds.ts`. */
export type Bound = Readonly<Record<Precision, number>>;

export interface OpCaseData {
  readonly graph: Graph;
  readonly weights: WeightMap;
  readonly inputs: Readonly<Record<string, HostTensor>>;
  readonly flops: number;
  /** Read and written, weights as stored. */
  readonly bytes: number;
}

export interface OpCase {
  readonly op: OpName;
  /** Operator and all parameters: enough to reproduce a failure. */
  readonly name: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** What the case is there for. */
  readonly why?: string;
  readonly bound: Bound;
  /** Precisions whose range holds every value of the case. */
  readonly precisions: readonly Precision[];
  /** Makes the same data at every call. */
  build(): OpCaseData;
}

/** What a case's `build` gets: inputs and weights are made as they are named. */
class CaseScope {
  readonly #random: Random;
  readonly #weights = new Map<string, NamedWeight>();
  readonly #inputs: Record<string, HostTensor> = {};
  readonly g: GraphBuilder;

  constructor(name: string) {
    this.#random = createRandom(seedOf(name));
    this.g = GraphBuilder.create(name, (weight) => weightResolver(this.#weights)(weight));
  }

  #input(name: string, shape: Shape, data: Float32Array | Int32Array, layout: 'plain' | 'image'): Value {
    this.#inputs[name] = { shape, data };
    return this.g.input(name, shape, { layout, elementType: data instanceof Int32Array ? 'i32' : 'f32' });
  }

  /** Normal values times `scale` plus `offset`. */
  #normals(shape: Shape, { scale = 1, offset = 0 }: { scale?: number; offset?: number }): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: elementCount(shape) }, () => this.#random.normal() * scale + offset);
  }

  plain(name: string, shape: Shape, options: { scale?: number; offset?: number } = {}): Value {
    return this.#input(name, shape, this.#normals(shape, options), 'plain');
  }

  image(name: string, shape: Shape, options: { scale?: number; offset?: number } = {}): Value {
    return this.#input(name, shape, this.#normals(shape, options), 'image');
  }

  /** Given values. */
  data(name: string, shape: Shape, data: Float32Array | Int32Array): Value {
    return this.#input(name, shape, data, 'plain');
  }

  /** Whole numbers 0..below-1. */
  ids(name: string, shape: Shape, below: number): Value {
    const data = Int32Array.from({ length: elementCount(shape) }, () => this.#random.word() % below);
    return this.#input(name, shape, data, 'plain');
  }

  /** A weight leaf. `rows`: a range of a taller stored tensor; `transposed`: stored the other way round. */
  weight(
    name: string,
    shape: Shape,
    options: { type?: CaseWeightType; std?: number; offset?: number; rows?: boolean; transposed?: boolean } = {},
  ): Value {
    const { type = 'F32', std = 1, rows = false, transposed = false } = options;
    const stored = transposed ? [...shape].reverse() : [...shape];
    const count = stored[0] ?? 1;
    // Two spare rows before and one after; the range starts at a row, which block types may cut.
    if (rows) stored[0] = count + 3;
    const weight =
      options.offset === undefined
        ? randomWeight(name, stored, type, std, this.#random)
        : memoryWeight(name, stored, this.#normals(stored, { scale: std, offset: options.offset }));
    this.#weights.set(name, {
      ...weight,
      ...(rows ? { rows: { start: 2, count } } : {}),
      ...(transposed ? { transposed: true } : {}),
    });
    return this.g.weight(name, shape);
  }

  finish(output: Value): OpCaseData {
    this.g.output('y', output);
    const graph = this.g.finish();
    const { flops, bytesRead, bytesWritten } = graphCost(graph);
    return { graph, weights: this.#weights, inputs: this.#inputs, flops, bytes: bytesRead + bytesWritten };
  }
}

export interface OpCaseOptions {
  readonly why?: string;
  readonly bound: Bound;
  /** True: values leave the f16 range, so the case says nothing about an f16 engine. */
  readonly f32Only?: boolean;
}

/** One row of the table. `params` appear in the name and are given to `build`. */
export function opCase<P extends object>(
  op: OpName,
  params: P,
  options: OpCaseOptions,
  build: (scope: CaseScope, params: P) => Value,
): OpCase {
  const entries = Object.entries(params) as [string, unknown][];
  const name = `${op} ${entries
    .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join('x') : String(value)}`)
    .join(' ')}`;
  return {
    op,
    name,
    params: Object.fromEntries(entries),
    ...(options.why === undefined ? {} : { why: options.why }),
    bound: options.bound,
    precisions: options.f32Only ? ['f32'] : ['f32', 'f16'],
    build() {
      const scope = new CaseScope(name);
      const data = scope.finish(build(scope, params));
      if (data.graph.nodes.some((node) => node.op === op)) return data;
      throw new AppError('internal/unexpected', `op cases: "${name}" builds no ${op} node.`);
    },
  };
}
