/** Everything that only moves elements: transposes, slices, joins, shuffles, enlargement, order of images. */
import { AppError } from '../../../base/errors';
import type { Shape } from '../../../base/shape';
import type { Value } from '../../../graph/ir';
import type { Operand } from '../plan_types';
import type { OpContext } from '../op_context';
import { OFFSET_ALIGNMENT } from '../weights/weight_plan';
import type { RecordOp } from './registry';

/** One axis of a box: size, and strides in elements on both sides. */
export interface BoxAxis {
  readonly size: number;
  readonly source: number;
  readonly target: number;
}

const MAX_AXES = 6;

/** Shape in the order of memory: images are channels-last. */
export function memoryShape({ layout, shape }: Pick<Value, 'layout' | 'shape'>): Shape {
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return layout === 'image' ? [n, h, w, c] : shape;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): readonly number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

/** Drops axes of size 1 and joins neighbours that run on, so that few divisions remain; then fills up to 6. */
export function simplify<A extends { readonly size: number }>(
  axes: readonly A[],
  runsOn: (outer: A, inner: A) => boolean,
  join: (outer: A, inner: A) => A,
  one: A,
): A[] {
  const kept: A[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = kept.at(-1);
    if (outer && runsOn(outer, axis)) kept[kept.length - 1] = join(outer, axis);
    else kept.push(axis);
  }
  if (kept.length > MAX_AXES) {
    throw new AppError(
      'backend/unsupported-op',
      `copy: at most ${MAX_AXES} axes that cannot be joined, got ${kept.length}.`,
    );
  }
  return [...Array.from({ length: MAX_AXES - kept.length }, () => one), ...kept];
}

export interface BoxCopy {
  readonly axes: readonly BoxAxis[];
  readonly source: Operand;
  readonly target: Operand;
  readonly sourceStart?: number;
  readonly targetStart?: number;
}

/** The part of a tensor of 4-byte elements that a box reads, as a binding of its own. */
function windowOf(axes: readonly BoxAxis[], source: Operand, start: number): { window: Operand; start: number } {
  const last = axes.reduce((sum, axis) => sum + (axis.size - 1) * axis.source, start);
  const skipped = Math.floor((4 * start) / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT;
  const window = { ...source, offset: source.offset + skipped, bytes: 4 * (last + 1) - skipped };
  return { window, start: start - skipped / 4 };
}

/** Copies a box of elements. A source beyond the binding limit is bound where it is read, in parts if need be. */
function recordBoxCopy(ctx: OpContext, copy: BoxCopy): void {
  const { axes, source, target, sourceStart = 0, targetStart = 0 } = copy;
  if (source.bytes <= ctx.maxBindingBytes) {
    recordBox(ctx, { axes, source, target, sourceStart, targetStart });
    return;
  }
  const { window, start } = windowOf(axes, source, sourceStart);
  const outer = axes.findIndex(({ size }) => size > 1);
  const axis = axes[outer];
  if (window.bytes <= ctx.maxBindingBytes || !axis) {
    recordBox(ctx, { axes, source: window, target, sourceStart: start, targetStart });
    return;
  }
  const half = Math.ceil(axis.size / 2);
  const sized = (size: number) => axes.map((one, i) => (i === outer ? { ...one, size } : one));
  recordBoxCopy(ctx, { ...copy, axes: sized(half) });
  recordBoxCopy(ctx, {
    ...copy,
    axes: sized(axis.size - half),
    sourceStart: sourceStart + half * axis.source,
    targetStart: targetStart + half * axis.target,
  });
}

function recordBox(ctx: OpContext, { axes, source, target, sourceStart, targetStart }: Required<BoxCopy>): void {
  const count = axes.reduce((product, { size }) => product * size, 1);
  const box = simplify(
    axes,
    (outer, inner) => outer.source === inner.size * inner.source && outer.target === inner.size * inner.target,
    (outer, inner) => ({ size: outer.size * inner.size, source: inner.source, target: inner.target }),
    { size: 1, source: 0, target: 0 },
  );
  const column = (key: keyof BoxAxis) => box.map((axis) => axis[key]);
  const two = (list: number[]) => [...list.slice(4), 0, 0];
  ctx.call({
    kernel: ['lib/index', 'strided_copy'],
    bindings: { x: source, y: target },
    params: {
      count,
      sourceStart,
      targetStart,
      size0: column('size').slice(0, 4),
      size1: two(column('size')),
      source0: column('source').slice(0, 4),
      source1: two(column('source')),
      target0: column('target').slice(0, 4),
      target1: two(column('target')),
    },
    workgroups: Math.ceil(count / 256),
  });
}

/** A whole tensor `[N, C, H, W]` from one order of memory to the other, or as it is. */
export function recordLayoutCopy(
  ctx: OpContext,
  shape: Shape,
  source: Operand,
  target: Operand,
  kind: 'toChannelsLast' | 'toRowMajor' | 'copy',
): void {
  if (kind === 'copy') {
    const size = shape.reduce((a, b) => a * b, 1);
    recordBoxCopy(ctx, { axes: [{ size, source: 1, target: 1 }], source, target });
    return;
  }
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  const pixels = h * w;
  const axes =
    kind === 'toChannelsLast'
      ? [
          { size: n, source: c * pixels, target: c * pixels },
          { size: pixels, source: 1, target: c },
          { size: c, source: pixels, target: 1 },
        ]
      : [
          { size: n, source: c * pixels, target: c * pixels },
          { size: c, source: 1, target: pixels },
          { size: pixels, source: c, target: 1 },
        ];
  recordBoxCopy(ctx, { axes, source, target });
}

/** Axis of memory that holds the logical axis of a value: `[N, C, H, W]` lies as `[N, H, W, C]`. */
function memoryAxis(layout: Value['layout'], axis: number): number {
  return layout === 'image' ? ([0, 3, 1, 2][axis] ?? axis) : axis;
}

function id(value: number | undefined): number {
  return value ?? -1;
}

export const recordSlice: RecordOp<'slice'> = (ctx, node) => {
  const x = ctx.value(id(node.inputs[0]));
  const inside = memoryShape(x);
  const axis = memoryAxis(x.layout, node.attrs.axis);
  const strides = stridesOf(inside);
  const outShape = inside.map((size, a) => (a === axis ? node.attrs.length : size));
  const outStrides = stridesOf(outShape);
  recordBoxCopy(ctx, {
    axes: outShape.map((size, a) => ({ size, source: strides[a] ?? 0, target: outStrides[a] ?? 0 })),
    source: ctx.operand(x.id),
    target: ctx.result(),
    sourceStart: node.attrs.start * (strides[axis] ?? 0),
  });
};

export const recordConcat: RecordOp<'concat'> = (ctx, node) => {
  const y = ctx.value(node.output);
  const outStrides = stridesOf(memoryShape(y));
  const axis = memoryAxis(y.layout, node.attrs.axis);
  const target = ctx.result();
  let done = 0;
  // One dispatch per part, so parts may be the same tensor.
  const parts = new Map<number, Operand>();
  for (const input of node.inputs) {
    const x = ctx.value(id(input));
    const inside = memoryShape(x);
    const strides = stridesOf(inside);
    const source = parts.get(x.id) ?? ctx.operand(x.id);
    parts.set(x.id, source);
    recordBoxCopy(ctx, {
      axes: inside.map((size, a) => ({ size, source: strides[a] ?? 0, target: outStrides[a] ?? 0 })),
      source,
      target,
      targetStart: done * (outStrides[axis] ?? 0),
    });
    done += inside[axis] ?? 0;
  }
};

export const recordTranspose: RecordOp<'transpose'> = (ctx, node) => {
  const x = ctx.value(id(node.inputs[0]));
  const y = ctx.value(node.output);
  const strides = stridesOf(x.shape);
  const outStrides = stridesOf(y.shape);
  recordBoxCopy(ctx, {
    axes: y.shape.map((size, a) => ({
      size,
      source: strides[node.attrs.order[a] ?? 0] ?? 0,
      target: outStrides[a] ?? 0,
    })),
    source: ctx.operand(x.id),
    target: ctx.result(),
  });
};

export const recordUpsample: RecordOp<'upsampleNearest'> = (ctx, node) => {
  const x = ctx.value(id(node.inputs[0]));
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const f = node.attrs.factor;
  const row = w * f * c;
  recordBoxCopy(ctx, {
    axes: [
      { size: n * h, source: w * c, target: f * row },
      { size: f, source: 0, target: row },
      { size: w, source: c, target: f * c },
      { size: f, source: 0, target: c },
      { size: c, source: 1, target: 1 },
    ],
    source: ctx.operand(x.id),
    target: ctx.result(),
  });
};

/** Axes (n, h, dy, w, dx, c) of a shuffle: strides on the side with many channels and on the side with many pixels. */
function shuffleAxes(deep: Shape, factor: number, order: 'cyx' | 'yxc') {
  const [n = 1, channels = 1, h = 1, w = 1] = deep;
  const f = factor;
  const c = channels / (f * f);
  const [cStride, dyStride, dxStride] = order === 'cyx' ? [f * f, f, 1] : [1, f * c, c];
  const row = w * f * c;
  return [
    { size: n * h, deep: w * channels, flat: f * row },
    { size: f, deep: dyStride, flat: row },
    { size: w, deep: channels, flat: f * c },
    { size: f, deep: dxStride, flat: c },
    { size: c, deep: cStride, flat: 1 },
  ];
}

export const recordPixelShuffle: RecordOp<'pixelShuffle'> = (ctx, node) => {
  const x = ctx.value(id(node.inputs[0]));
  const axes = shuffleAxes(x.shape, node.attrs.factor, node.attrs.order);
  recordBoxCopy(ctx, {
    axes: axes.map(({ size, deep, flat }) => ({ size, source: deep, target: flat })),
    source: ctx.operand(x.id),
    target: ctx.result(),
  });
};

export const recordPixelUnshuffle: RecordOp<'pixelUnshuffle'> = (ctx, node) => {
  const x = ctx.value(id(node.inputs[0]));
  const axes = shuffleAxes(ctx.value(node.output).shape, node.attrs.factor, node.attrs.order);
  recordBoxCopy(ctx, {
    axes: axes.map(({ size, deep, flat }) => ({ size, source: flat, target: deep })),
    source: ctx.operand(x.id),
    target: ctx.result(),
  });
};
