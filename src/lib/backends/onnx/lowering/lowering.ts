/**
 * What one operator's lowering sees: a list of ONNX nodes to append to, constants to share, and the choices that
 * differ between runtimes. Knows nothing of files and sessions.
 */
import type { Node, Value, ValueId } from '../../../graph/ir';
import type { OpName } from '../../../graph/ops/registry';
import type { OnnxAttr } from '../onnx_proto';

/** Tensor name in the ONNX graph; the empty string is an absent optional input. */
export type TensorName = string;

/** A linear weight kept in blocks of 32 for `MatMulNBits`. */
export interface PackedWeight {
  readonly codes: TensorName;
  readonly scales: TensorName;
  readonly bits: 4 | 8;
}

export interface LoweringOptions {
  /**
   * Largest score matrix of one attention node, in bytes; longer queries are cut into slices. Infinity where the
   * runtime streams attention (native builds).
   */
  readonly maxScoreBytes: number;
  /** `accuracy_level` of MatMulNBits: 4 = int8 activations (faster in native builds), 0 = f32. */
  readonly matMulAccuracy: 0 | 4;
  /** Fewest rows for which a quantised linear stays quantised. */
  readonly minPackedRows: number;
}

export interface Emitter {
  readonly options: LoweringOptions;
  /** Type and source of a graph value. */
  value(id: ValueId | undefined): Value;
  /** Appends a node with one output and returns its name. */
  add(opType: string, inputs: readonly TensorName[], attrs?: Readonly<Record<string, OnnxAttr>>): TensorName;
  /** The same for the runtime's own operators (`com.microsoft`). */
  addContrib(opType: string, inputs: readonly TensorName[], attrs?: Readonly<Record<string, OnnxAttr>>): TensorName;
  /** A rank-1 int64 constant: shapes, axes, pads. */
  ints(values: readonly number[]): TensorName;
  /** A float constant. */
  floats(values: Float32Array, shape: readonly number[]): TensorName;
  /** A float constant of rank 0. */
  scalar(value: number): TensorName;
  /** Block-quantised form of a weight where the session keeps it so, else undefined. */
  packed(id: ValueId): PackedWeight | undefined;
  /** Tensor of a graph value. Reading a weight makes it an f32 initializer. */
  tensor(id: ValueId | undefined): TensorName;
  /**
   * The same elements under another shape. Moves nothing where it can: chains and repetitions of Reshape are folded
   * into one node, and weights are declared with the wanted shape.
   * @param from shape of `x`
   */
  reshape(x: TensorName, from: readonly number[], to: readonly number[]): TensorName;
}

/** Emits one graph node and returns the tensor that holds its output. */
export type Lowering<O extends OpName> = (emitter: Emitter, node: Node<O>) => TensorName;
export type LoweringTable = { readonly [O in OpName]: Lowering<O> };
