/** What an operator is: input names, shape rule, cost. One file per operator, one line in `registry.ts`. */
import { AppError } from '../../base/errors';
import { formatShape, type Shape } from '../../base/shape';
import type { TensorType } from '../ir';

/** Inputs in definition order; optional ones may be undefined. */
export type OpInputs = readonly (TensorType | undefined)[];

export interface OpDef<Name extends string = string, Attrs = never> {
  readonly name: Name;
  /** One line for the operator catalogue: the formula. */
  readonly summary: string;
  /** Input names; a trailing `?` marks optional ones, a single `...xs` a list. */
  readonly inputs: readonly string[];
  /**
   * The output's type.
   * @throws AppError 'graph/shape' with the rule and what was found
   */
  infer(inputs: OpInputs, attrs: Attrs): TensorType;
  /** Floating-point operations, a multiply-add counted as two. */
  flops(inputs: OpInputs, attrs: Attrs, output: TensorType): number;
}

export function defineOp<Attrs>() {
  return <const Name extends string>(def: OpDef<Name, Attrs>): OpDef<Name, Attrs> => def;
}

export function shapeError(op: string, rule: string, got: unknown): AppError {
  const found = Array.isArray(got) ? formatShape(got as Shape) : String(got);
  return new AppError('graph/shape', `${op}: ${rule}, got ${found}.`, { details: { op, rule, got: found } });
}

/** The input at a position, which the builder guarantees for required inputs. */
export function required(op: string, inputs: OpInputs, position: number, name: string): TensorType {
  const input = inputs[position];
  if (!input) throw shapeError(op, `input "${name}" is required`, 'nothing');
  return input;
}

export function requireRank(op: string, name: string, type: TensorType, rank: number): void {
  if (type.shape.length !== rank) throw shapeError(op, `"${name}" must have ${rank} axes`, type.shape);
}

export function requireImage(op: string, name: string, type: TensorType): readonly [number, number, number, number] {
  const [n, c, h, w] = type.shape;
  if (type.layout !== 'image' || n === undefined || c === undefined || h === undefined || w === undefined) {
    throw shapeError(op, `"${name}" must be an image [N, C, H, W]`, type.shape);
  }
  return [n, c, h, w];
}

export function requireShape(op: string, name: string, type: TensorType | undefined, shape: Shape): void {
  if (!type) return;
  if (type.shape.length !== shape.length || type.shape.some((size, axis) => size !== shape[axis])) {
    throw shapeError(op, `"${name}" must be ${formatShape(shape)}`, type.shape);
  }
}

/** Sizes, factors and strides: whole and at least 1. */
export function requireCount(op: string, name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw shapeError(op, `${name} must be a whole number from 1 on`, value);
}

export function lastAxis(op: string, name: string, type: TensorType): number {
  const size = type.shape.at(-1);
  if (size === undefined || type.layout !== 'plain') {
    throw shapeError(op, `"${name}" must be a plain tensor with at least one axis`, type.shape);
  }
  return size;
}

export const f32 = (shape: Shape): TensorType => ({ shape, elementType: 'f32', layout: 'plain' });
export const image = (n: number, c: number, h: number, w: number): TensorType => ({
  shape: [n, c, h, w],
  elementType: 'f32',
  layout: 'image',
});
