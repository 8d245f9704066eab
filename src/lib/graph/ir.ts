/**
 * The graph: a static-shape list of tensor operations with named weights, from which programs, memory plans,
 * ONNX files, LoRA side paths and cost tables are derived. Plain data, safe to hash and to clone.
 * Knows nothing of models, devices or files.
 */
import type { Shape } from '../base/shape';
import type { QuantTypeId } from '../quant/registry';
import type { OpAttrs, OpName } from './ops/registry';

export type ElementType = 'f32' | 'i32';

/**
 * `image`: logically `[N, C, H, W]`; a backend chooses the order in memory (WebGPU: channels last, ONNX: NCHW).
 * `plain`: row-major in the order of its shape.
 */
export type Layout = 'image' | 'plain';

export interface TensorType {
  readonly shape: Shape;
  readonly elementType: ElementType;
  readonly layout: Layout;
}

export type ValueId = number;

/** Where a value comes from. */
export type ValueSource =
  | { readonly kind: 'input'; readonly name: string }
  /** `name` is the family's canonical weight name; `type` is the stored type, so that kernels can be chosen. */
  | { readonly kind: 'weight'; readonly name: string; readonly type: QuantTypeId }
  | { readonly kind: 'constant'; readonly data: Float32Array | Int32Array }
  | { readonly kind: 'node'; readonly node: number };

export interface Value extends TensorType {
  readonly id: ValueId;
  readonly source: ValueSource;
}

/** One operation. Nodes are listed in an order in which they can be executed. */
export interface Node<O extends OpName = OpName> {
  readonly op: O;
  /** In the order of the op's definition; an absent optional input is undefined. */
  readonly inputs: readonly (ValueId | undefined)[];
  readonly attrs: OpAttrs[O];
  readonly output: ValueId;
  /** Layer name, for messages, profiles and LoRA matching, such as `down_blocks.0.resnets.0.conv1`. */
  readonly scope: string;
}

/** Every node as a union discriminated by `op`. */
export type AnyNode = { [O in OpName]: Node<O> }[OpName];

export interface Graph {
  readonly name: string;
  readonly values: readonly Value[];
  readonly nodes: readonly AnyNode[];
  readonly inputs: ReadonlyMap<string, ValueId>;
  readonly outputs: ReadonlyMap<string, ValueId>;
  /** Named intermediates; kept only when `withTaps` makes them outputs. */
  readonly taps: ReadonlyMap<string, ValueId>;
}

/** The graph with the named intermediates (all by default) as further outputs, to localise an error. */
export function withTaps(graph: Graph, names: Iterable<string> = graph.taps.keys()): Graph {
  const outputs = new Map(graph.outputs);
  for (const name of names) {
    const id = graph.taps.get(name);
    if (id !== undefined) outputs.set(name, id);
  }
  return { ...graph, outputs };
}

/** The value behind an id; ids come from the same graph, so a miss is a defect of the caller. */
export function valueOf(graph: Graph, id: ValueId): Value {
  const value = graph.values[id];
  if (!value) throw new RangeError(`graph ${graph.name}: no value ${id}`);
  return value;
}
