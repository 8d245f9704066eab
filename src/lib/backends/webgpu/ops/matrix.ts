/** Linear layers and convolutions: one matrix product, with the left operand read as rows or as an image. */
import { elementCount } from '../../../base/shape';
import type { Operand } from '../plan_types';
import type { MatrixOperand, OpContext } from '../recorder';
import { activationCode } from './codes';
import type { RecordOp } from './registry';

interface Product {
  /** File below `wgsl/operand/`. */
  readonly operand: string;
  readonly matrix: MatrixOperand;
  readonly m: number;
  /** Reduction length on the device, filled up. */
  readonly k: number;
  readonly channels: number;
  readonly x: Operand;
  readonly bias: Operand | undefined;
  readonly residual: Operand | undefined;
  readonly y: Operand;
  readonly activation: number;
  readonly image: Readonly<Record<string, number>>;
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

function recordProduct(ctx: OpContext, product: Product): void {
  const { m, k, matrix, channels, activation, image } = product;
  const { storage, rowElems, rows } = matrix.weight.plan;
  for (const part of matrix.parts) {
    const n = part.rows;
    const choice = ctx.tuning.gemm({ m, n, k });
    const files = ['lib/index', 'lib/half', 'lib/activation', 'lib/gemm_params', 'lib/epilogue'];
    const scratch =
      choice.kernel === 'tiled' && choice.scratch === true && storage.fragment !== 'f16' && storage.fragment !== 'f32';
    const quants = scratch ? recordScratch(ctx, matrix, part) : part.quants;
    const fragment = scratch ? 'f16_scratch' : storage.fragment;
    const kernel = [...files, `operand/${product.operand}`, `quant/${fragment}`, `gemm_${choice.kernel}`];
    const bindings = {
      x: product.x,
      quants,
      scales: part.scales,
      bias: product.bias,
      residual: product.residual,
      y: product.y,
    };
    const epilogue = {
      rowStart: part.rowStart,
      yStride: rows,
      activation,
      hasBias: product.bias ? 1 : 0,
      hasResidual: product.residual ? 1 : 0,
    };
    const params = {
      m,
      n,
      k,
      channels,
      rowElems,
      blockSize: storage.kind === 'codes' ? storage.blockSize : 1,
      ...epilogue,
      ...image,
    };
    const share = n / rows;
    if (choice.kernel !== 'tiled') {
      const tiles = Math.ceil(m / 4) * Math.ceil(n / 4);
      ctx.call({
        kernel,
        bindings,
        params,
        share,
        workgroups: choice.kernel === 'plain' ? Math.ceil(tiles / 64) : tiles,
      });
      continue;
    }
    const { bm, bn, bk, splits } = choice.tile;
    const tiles = Math.ceil(m / bm) * Math.ceil(n / bn) * splits;
    const overrides = { BM: bm, BN: bn, BK: bk, THREADS: (bm / 8) * (bn / 8), SPLITS: splits };
    const partial = splits > 1 ? ctx.temp(4 * splits * m * n) : undefined;
    const whole = partial ? { x: product.x, quants, scales: part.scales, partial } : bindings;
    ctx.call({ kernel, overrides, bindings: whole, params, share, workgroups: tiles });
    if (!partial) continue;
    ctx.call({
      kernel: ['lib/index', 'lib/activation', 'lib/epilogue', 'gemm_reduce'],
      bindings: { bias: product.bias, residual: product.residual, y: product.y, partial },
      params: { m, n, splits, ...epilogue },
      share: 0,
      workgroups: Math.ceil((m * n) / 256),
    });
  }
}

/** The part of a weight as half precision in the arena. */
function recordScratch(ctx: OpContext, { weight }: MatrixOperand, part: MatrixOperand['parts'][number]): Operand {
  const { storage, rowElems } = weight.plan;
  const count = (part.rows * rowElems) / 4;
  const scratch = ctx.temp(8 * count);
  ctx.call({
    kernel: ['lib/index', 'lib/half', `quant/${storage.fragment}`, 'dequantize_half'],
    bindings: { quants: part.quants, scales: part.scales, y: scratch },
    params: { count, rowElems, blockSize: storage.kind === 'codes' ? storage.blockSize : 1 },
    share: 0,
    workgroups: Math.ceil(count / 256),
  });
  return scratch;
}

function id(value: number | undefined): number {
  return value ?? -1;
}

export const recordLinear: RecordOp<'linear'> = (ctx, node) => {
  const [x, weight, bias, residual] = node.inputs;
  const { shape } = ctx.value(id(x));
  const channels = shape.at(-1) ?? 1;
  const matrix = ctx.matrix(id(weight), 'matrix');
  recordProduct(ctx, {
    operand: channels % 4 === 0 ? 'rows4' : 'rows',
    matrix,
    m: elementCount(shape) / channels,
    k: Math.ceil(channels / 4) * 4,
    channels,
    x: ctx.operand(id(x)),
    bias: ctx.optional(bias),
    residual: ctx.optional(residual),
    y: ctx.result(),
    activation: activationCode(node.attrs.activation),
    image: NO_IMAGE,
  });
};

export const recordConv2d: RecordOp<'conv2d'> = (ctx, node) => {
  const [x, weight, bias, residual] = node.inputs;
  const [n = 1, channels = 1, height = 1, width = 1] = ctx.value(id(x)).shape;
  const [, , outHeight = 1, outWidth = 1] = ctx.value(node.output).shape;
  const [, , kernelHeight = 1, kernelWidth = 1] = ctx.value(id(weight)).shape;
  const matrix = ctx.matrix(id(weight), 'conv');
  const { attrs } = node;
  const { channelMajor, rowElems } = matrix.weight.plan;
  const vectors = channels % 4 === 0 ? 'image4' : 'image';
  recordProduct(ctx, {
    operand: channelMajor ? 'image_channel_major' : vectors,
    matrix,
    m: n * outHeight * outWidth,
    k: rowElems,
    channels,
    x: ctx.operand(id(x)),
    bias: ctx.optional(bias),
    residual: ctx.optional(residual),
    y: ctx.result(),
    activation: activationCode(attrs.activation),
    image: {
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
    },
  });
};
