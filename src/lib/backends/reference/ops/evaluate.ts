/** The form of a reference operator: plain loops over row-major data, everything in f64. */
import type { Shape } from '../../../base/shape';
import type { TensorType } from '../../../graph/ir';
import { shapeError } from '../../../graph/ops/define';
import type { OpAttrs, OpName } from '../../../graph/ops/registry';

/** Intermediates are f64, weights f32, ids i32. */
export type Elements = Float64Array | Float32Array | Int32Array;

export interface Tensor {
  readonly shape: Shape;
  readonly data: Elements;
}

/** Inputs in definition order, images as NCHW; `output` has the type that the op's shape rule gave. */
export type Evaluate<O extends OpName> = (
  inputs: readonly (Tensor | undefined)[],
  attrs: OpAttrs[O],
  output: TensorType,
) => Elements;

/** The input at a position that the op requires; the builder has checked the graph. */
export function need(op: OpName, inputs: readonly (Tensor | undefined)[], position: number): Tensor {
  const input = inputs[position];
  if (!input) throw shapeError(op, `input ${position} is required`, 'nothing');
  return input;
}

export function axes3([a = 1, b = 1, c = 1]: Shape): readonly [number, number, number] {
  return [a, b, c];
}

export function axes4([a = 1, b = 1, c = 1, d = 1]: Shape): readonly [number, number, number, number] {
  return [a, b, c, d];
}

/** An array of the element type of a tensor. */
export function newElements(like: Elements, length: number): Elements {
  return like instanceof Int32Array ? new Int32Array(length) : new Float64Array(length);
}

/** Row-major strides, in elements. */
export function strides(shape: Shape): number[] {
  const out = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) out[axis] = (out[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return out;
}
