/** Linear layers and convolutions, and what they take over from the nodes before them. */
import { elementCount } from '../../../base/shape';
import type { AnyNode, Node, ValueId } from '../../../graph/ir';
import type { MatrixOperand, OpContext } from '../op_context';
import type { GemmShape } from '../tuning';
import { activationCode } from './codes';
import { recordProduct, type Prologue, type Product } from './product';
import type { RecordOp } from './registry';

type Layer = Node<'linear'> | Node<'conv2d'>;

const isLayer = (node: AnyNode): node is Layer => node.op === 'linear' || node.op === 'conv2d';

function id(value: number | undefined): number {
  return value ?? -1;
}

const NO_IMAGE = {
  height: 0,
  width: 0,
  outHeight: 0,
  outWidth: 0,
  kernelHeight: 0,
  kernelWidth: 0,
  stride: 0,
  padTop: 0,
  padLeft: 0,
  upsample: 1,
  circular: 0,
  channelsPadded: 0,
} as const;

function matrixOf(ctx: OpContext, node: Layer): MatrixOperand {
  return ctx.matrix(id(node.inputs[1]), node.op === 'linear' ? 'matrix' : 'conv');
}

/** Rows of A. */
function rowsOf(ctx: OpContext, node: Layer): number {
  const { shape } = ctx.value(node.output);
  const columns = node.op === 'linear' ? (shape.at(-1) ?? 1) : (shape[1] ?? 1);
  return elementCount(shape) / columns;
}

function gemmShapeOf(ctx: OpContext, node: Layer): GemmShape {
  const { plan } = matrixOf(ctx, node).weight;
  const shape = { m: rowsOf(ctx, node), n: plan.rows, k: plan.rowElems, fragment: plan.storage.fragment };
  if (node.op === 'linear' || isPointwise(ctx, node)) return shape;
  const [, channels = 1] = ctx.value(id(node.inputs[0])).shape;
  const [kernelHeight, kernelWidth] = kernelOf(ctx, node);
  const { stride, upsample } = node.attrs;
  const conv = { channels, kernelHeight, kernelWidth, stride, upsample };
  return { ...shape, conv, ...(plan.channelMajor ? { channelMajor: true } : {}) };
}

function kernelOf(ctx: OpContext, node: Node<'conv2d'>): readonly [number, number] {
  const [, , kernelHeight = 1, kernelWidth = 1] = ctx.value(id(node.inputs[1])).shape;
  return [kernelHeight, kernelWidth];
}

/** A convolution of one tap is a linear layer on pixels, which lie one after another with their channels. */
function isPointwise(ctx: OpContext, node: Node<'conv2d'>): boolean {
  const { stride, pad, upsample } = node.attrs;
  const [kernelHeight, kernelWidth] = kernelOf(ctx, node);
  return kernelHeight * kernelWidth * stride * upsample === 1 && pad.every((side) => side === 0);
}

/** Columns up to which a convolution may compute SiLU while it loads: one tile of them, so each load is used up. */
const PROLOGUE_COLUMNS = 64;
const MAX_SIDE_RANK = 512;

/**
 * Whether a layer that alone reads a group norm applies its scale and shift while loading: always where that is one
 * multiply-add; with SiLU only where few columns share the work again (the last convolution of a network, whose input is
 * the largest tensor of all). Elsewhere exp would run once per tap and column tile, and cost more than the pass it saves.
 */
export function takesAffine(ctx: OpContext, node: AnyNode, root: ValueId, silu: boolean): boolean {
  if (!isLayer(node) || !ctx.sameData(node.inputs[0], root)) return false;
  const { plan } = matrixOf(ctx, node).weight;
  const channels = node.op === 'linear' ? plan.rowLength : plan.channels;
  if (channels % 4 !== 0 || plan.channelMajor) return false;
  if (silu && plan.rows > PROLOGUE_COLUMNS) return false;
  // Both would need the same binding.
  if (ctx.deferred(node.inputs[3])?.kind === 'low-rank') return false;
  return ctx.tuning.gemm(gemmShapeOf(ctx, node)).kernel !== 'integer';
}

/** A layer U in y = W x + U (D x) that its only reader adds up in its own sums. */
function deferLowRank(ctx: OpContext, node: Layer): boolean {
  const [low, , bias, base] = node.inputs;
  if (low === undefined || bias !== undefined || node.attrs.activation !== undefined || ctx.deferred(base))
    return false;
  if (node.op === 'conv2d' && !isPointwise(ctx, node)) return false;
  const reader = ctx.onlyReader(node.output);
  if (!reader || !isLayer(reader) || !ctx.sameData(reader.inputs[3], node.output)) return false;
  const { weight, parts } = matrixOf(ctx, node);
  const rank = weight.plan.rowLength;
  const [up] = parts;
  if (!up || parts.length > 1 || weight.plan.storage.fragment !== 'f32' || rank % 4 !== 0 || rank > MAX_SIDE_RANK)
    return false;
  if (ctx.deferred(reader.inputs[0]) || ctx.tuning.gemm(gemmShapeOf(ctx, reader)).kernel === 'integer') return false;
  ctx.defer(node.output, { kind: 'low-rank', low, up: up.quants, rank, base });
  return true;
}

/** What linear layers and convolutions have in common. */
function recordLayer(ctx: OpContext, node: Layer, rest: Pick<Product, 'operand' | 'channels' | 'image'>): void {
  const [x, , bias, residual] = node.inputs;
  const choice = ctx.tuning.gemm(gemmShapeOf(ctx, node));
  const before = ctx.deferred(x);
  const added = ctx.deferred(residual);
  const side = added?.kind === 'low-rank' ? added : undefined;
  let prologue: Prologue | undefined;
  let source = x;
  if (before?.kind === 'affine') {
    prologue = before;
    source = before.x;
  }
  recordProduct(ctx, {
    ...rest,
    matrix: matrixOf(ctx, node),
    m: rowsOf(ctx, node),
    x: ctx.operand(id(source)),
    prologue,
    bias: ctx.optional(bias),
    residual: ctx.optional(side ? side.base : residual),
    side: side && { low: ctx.operand(side.low), up: side.up, rank: side.rank },
    y: ctx.result(),
    activation: activationCode(node.attrs.activation),
    choice,
  });
}

export const recordLinear: RecordOp<'linear'> = (ctx, node) => {
  if (deferLowRank(ctx, node)) return;
  const { shape } = ctx.value(id(node.inputs[0]));
  const channels = shape.at(-1) ?? 1;
  const operand = channels % 4 === 0 ? 'rows4' : 'rows';
  // Rows of one image, for a prologue that differs between images.
  const perImage = elementCount(shape) / channels / (shape[0] ?? 1);
  recordLayer(ctx, node, { operand, channels, image: { ...NO_IMAGE, height: perImage } });
};

export const recordConv2d: RecordOp<'conv2d'> = (ctx, node) => {
  if (deferLowRank(ctx, node)) return;
  const [, channels = 1, height = 1, width = 1] = ctx.value(id(node.inputs[0])).shape;
  const [, , outHeight = 1, outWidth = 1] = ctx.value(node.output).shape;
  const { attrs } = node;
  if (isPointwise(ctx, node)) {
    const operand = channels % 4 === 0 ? 'rows4' : 'rows';
    recordLayer(ctx, node, { operand, channels, image: { ...NO_IMAGE, height: height * width } });
    return;
  }
  const [kernelHeight, kernelWidth] = kernelOf(ctx, node);
  const image = {
    height,
    width,
    outHeight,
    outWidth,
    kernelHeight,
    kernelWidth,
    stride: attrs.stride,
    padTop: attrs.pad[0],
    padLeft: attrs.pad[3],
    upsample: attrs.upsample,
    circular: attrs.padMode === 'circular' ? 1 : 0,
    channelsPadded: Math.ceil(channels / 4) * 4,
  };
  recordLayer(ctx, node, { operand: channels % 4 === 0 ? 'image4' : 'image', channels, image });
};
