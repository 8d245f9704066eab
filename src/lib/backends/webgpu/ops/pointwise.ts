/** Operators that treat each element alike: unary, gated, binary, modulate, linear combinations. */
import { elementCount } from '../../../base/shape';
import type { Operand } from '../plan_types';
import type { OpContext } from '../op_context';
import { activationCode, UNARY_CODES, X_IN_PLACE } from './codes';
import { recordRowNorm } from './normalisation';
import type { RecordOp } from './registry';
import { memoryShape, simplify, stridesOf } from './strided';

const PER_GROUP = 256;

function id(value: number | undefined): number {
  return value ?? -1;
}

export const recordUnary: RecordOp<'unary'> = (ctx, node) => {
  const count = elementCount(ctx.value(node.output).shape);
  const { attrs } = node;
  let a = 0;
  let b = 0;
  if (attrs.kind === 'leakyRelu') a = attrs.slope;
  else if (attrs.kind === 'affine') [a, b] = [attrs.scale, attrs.offset];
  else if (attrs.kind === 'clamp') [a, b] = [attrs.min, attrs.max];
  ctx.call({
    kernel: ['lib/index', 'lib/activation', 'lib/source', 'unary'],
    bindings: { x: ctx.operand(id(node.inputs[0])), y: ctx.result() },
    params: { count, kind: UNARY_CODES[attrs.kind], inPlace: 0, a, b },
    inPlace: X_IN_PLACE,
    workgroups: Math.ceil(count / PER_GROUP),
  });
};

export const recordGatedActivation: RecordOp<'gatedActivation'> = (ctx, node) => {
  const { shape } = ctx.value(node.output);
  const count = elementCount(shape);
  const width = shape.at(-1) ?? 1;
  ctx.call({
    kernel: ['lib/index', 'lib/activation', 'gated_activation'],
    bindings: { x: ctx.operand(id(node.inputs[0])), y: ctx.result() },
    params: {
      count,
      width,
      kind: activationCode(node.attrs.activation),
      gateStart: node.attrs.gate === 'first' ? 0 : width,
    },
    workgroups: Math.ceil(count / PER_GROUP),
  });
};

const BINARY_CODES = { add: 0, sub: 1, mul: 2 } as const;

export const recordBinary: RecordOp<'binary'> = (ctx, node) => {
  const a = ctx.value(id(node.inputs[0]));
  const b = ctx.value(id(node.inputs[1]));
  const y = ctx.value(node.output);
  const outShape = memoryShape(y);
  const broadcast = (value: typeof a) => {
    // Leading axes of size 1 first, as numpy does; then the order of memory.
    const filled = [...Array.from({ length: y.shape.length - value.shape.length }, () => 1), ...value.shape];
    const inside = memoryShape({ layout: value.layout, shape: filled });
    return stridesOf(inside).map((stride, axis) => (inside[axis] === 1 ? 0 : stride));
  };
  const aStrides = broadcast(a);
  const bStrides = broadcast(b);
  const box = simplify(
    outShape.map((size, axis) => ({ size, a: aStrides[axis] ?? 0, b: bStrides[axis] ?? 0 })),
    (outer, inner) => outer.a === inner.size * inner.a && outer.b === inner.size * inner.b,
    (outer, inner) => ({ size: outer.size * inner.size, a: inner.a, b: inner.b }),
    { size: 1, a: 0, b: 0 },
  );
  const column = (key: 'size' | 'a' | 'b') => box.map((axis) => axis[key]);
  const dense = stridesOf(column('size'));
  const isDense = (key: 'a' | 'b') => box.every((axis, i) => axis.size === 1 || axis[key] === dense[i]);
  const two = (list: number[]) => [...list.slice(4), 0, 0];
  const count = elementCount(outShape);
  ctx.call({
    kernel: ['lib/index', 'binary'],
    bindings: { a: ctx.operand(a.id), b: ctx.operand(b.id), y: ctx.result() },
    params: {
      count,
      kind: BINARY_CODES[node.attrs.kind],
      inPlace: 0,
      size0: column('size').slice(0, 4),
      size1: two(column('size')),
      a0: column('a').slice(0, 4),
      a1: two(column('a')),
      b0: column('b').slice(0, 4),
      b1: two(column('b')),
    },
    inPlace: { ...(isDense('a') ? { a: { inPlace: 1 } } : {}), ...(isDense('b') ? { b: { inPlace: 2 } } : {}) },
    workgroups: Math.ceil(count / PER_GROUP),
  });
};

export const recordModulate: RecordOp<'modulate'> = (ctx, node) => {
  const [x, scale, shift] = node.inputs;
  const norm = ctx.deferred(x);
  if (norm?.kind === 'norm') {
    recordRowNorm(ctx, norm.node, { scale: id(scale), shift });
    return;
  }
  const { shape } = ctx.value(id(x));
  const [, tokens = 1, width = 1] = shape;
  const count = elementCount(shape);
  const shiftOperand = ctx.optional(shift);
  ctx.call({
    kernel: ['lib/index', 'lib/source', 'modulate'],
    bindings: { x: ctx.operand(id(x)), scale: ctx.operand(id(scale)), shift: shiftOperand, y: ctx.result() },
    params: { count, width, tokens, hasShift: shiftOperand ? 1 : 0, inPlace: 0 },
    inPlace: X_IN_PLACE,
    workgroups: Math.ceil(count / PER_GROUP),
  });
};

/** y = Σ coefficient · x, four terms per dispatch. */
export function recordSum(
  ctx: Pick<OpContext, 'call'>,
  terms: readonly (readonly [number, Operand])[],
  y: Operand,
  count: number,
): void {
  for (let first = 0; first < terms.length; first += 4) {
    const part = terms.slice(first, first + 4);
    ctx.call({
      kernel: ['lib/index', 'lincomb'],
      bindings: { ...Object.fromEntries(part.map(([, operand], i) => [`x${i}`, operand])), y },
      params: {
        count,
        terms: part.length,
        accumulate: first > 0 ? 1 : 0,
        inPlace: 0,
        coefficients: [0, 1, 2, 3].map((i) => part[i]?.[0] ?? 0),
      },
      workgroups: Math.ceil(count / PER_GROUP),
      inPlace: { x0: { inPlace: 1 } },
      share: part.length / terms.length,
    });
  }
}

export const recordLincomb: RecordOp<'lincomb'> = (ctx, node) => {
  // A tensor that occurs twice is read once: k·x + l·x = (k + l)·x.
  const merged = new Map<number, number>();
  for (const [i, input] of node.inputs.entries()) {
    merged.set(id(input), (merged.get(id(input)) ?? 0) + (node.attrs.coefficients[i] ?? 0));
  }
  const terms = [...merged].map(([value, coefficient]) => [coefficient, ctx.operand(value)] as const);
  recordSum(ctx, terms, ctx.result(), elementCount(ctx.value(node.output).shape));
};
