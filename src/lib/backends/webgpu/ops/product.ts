/**
 * The matrix product behind linear layers and convolutions: which files make up its kernel, in which dispatches. What the
 * nodes around a layer leave to it (a norm's scale and shift, a low-rank side path) arrives as fragments of that kernel.
 */
import type { Operand } from '../plan_types';
import type { KernelCall, MatrixOperand, OpContext } from '../op_context';
import type { GemmChoice, Scratch } from '../tuning';
import { recordScratch, scratchRows } from './scratch';

/** y += low · upᵀ, in the same sums. */
export interface SidePath {
  /** [M, rank] */
  readonly low: Operand;
  /** [N, rank] f32 */
  readonly up: Operand;
  /** A multiple of 4. */
  readonly rank: number;
}

/** x is read as silu(x · scale + shift), or without silu, per image and channel. */
export interface Prologue {
  /** [N, C / 4, (scale, shift)] as vectors of 4 */
  readonly affine: Operand;
  readonly silu: boolean;
}

export interface Product {
  /** File below `wgsl/operand/`, for weights in the order (ky, kx, channel). */
  readonly operand: string;
  readonly matrix: MatrixOperand;
  readonly m: number;
  readonly channels: number;
  readonly x: Operand;
  readonly bias: Operand | undefined;
  readonly residual: Operand | undefined;
  readonly side: SidePath | undefined;
  readonly prologue: Prologue | undefined;
  readonly y: Operand;
  readonly activation: number;
  readonly image: Readonly<Record<string, number>>;
  readonly choice: GemmChoice;
}

/** W as the kernel reads it: a part as stored, or rows decoded to a scratch. */
interface Right {
  readonly fragment: string;
  readonly quants: Operand;
  readonly scales: Operand;
  readonly rowStart: number;
  readonly rows: number;
  readonly rowElems: number;
  readonly channelMajor: boolean;
}

export function recordProduct(ctx: OpContext, product: Product): void {
  const { matrix, choice } = product;
  const { storage, rowElems, channelMajor } = matrix.weight.plan;
  const floats = storage.fragment === 'f16' || storage.fragment === 'f32';
  const scratch = 'scratch' in choice && !floats ? choice.scratch : undefined;
  for (const part of matrix.parts) {
    if (scratch) {
      recordThroughScratch(ctx, product, part, scratch);
      continue;
    }
    recordRows(ctx, product, { ...part, fragment: storage.fragment, rowElems, channelMajor });
  }
}

/** Decodes a few rows of W at a time, so that a scratch stays small, and multiplies by them. */
function recordThroughScratch(
  ctx: OpContext,
  product: Product,
  part: MatrixOperand['parts'][number],
  precision: Scratch,
): void {
  const { plan } = product.matrix.weight;
  const perChunk = scratchRows(plan, precision, ctx.maxBindingBytes);
  for (let first = 0; first < part.rows; first += perChunk) {
    const rows = Math.min(perChunk, part.rows - first);
    const { operand, rowElems } = recordScratch(ctx, product.matrix, part, { first, rows, precision });
    recordRows(ctx, product, {
      fragment: `${precision}_scratch`,
      quants: operand,
      scales: operand,
      rowStart: part.rowStart + first,
      rows,
      rowElems,
      channelMajor: false,
    });
  }
}

function recordRows(ctx: OpContext, product: Product, right: Right): void {
  const { choice, m, matrix, side, prologue } = product;
  const n = right.rows;
  const share = n / matrix.weight.plan.rows;
  const params = productParams(product, right);
  const operand = right.channelMajor ? 'image_channel_major' : product.operand;
  const left = `operand/${operand}${prologue ? '_affine' : ''}`;
  const base = ['lib/index', 'lib/half', 'lib/activation', 'lib/gemm_params'];
  const middle = [`side/${side ? 'low_rank' : 'none'}`, left, `quant/${right.fragment}`];
  const sources = {
    x: product.x,
    quants: right.quants,
    scales: right.scales,
    ...(side ? { low: side.low, up: side.up } : {}),
    ...(prologue ? { affine: prologue.affine } : {}),
  };
  const results = { bias: product.bias, residual: product.residual, y: product.y };
  const inPlace = residualInPlace(product);
  const stored = [...base, 'lib/epilogue', 'emit/store', ...middle];
  const call = (rest: Pick<KernelCall, 'kernel' | 'workgroups'> & Partial<KernelCall>) =>
    ctx.call({ bindings: { ...sources, ...results }, params, share, inPlace, ...rest });
  const blocks = Math.ceil(m / 4) * Math.ceil(n / 4);
  switch (choice.kernel) {
    case 'plain':
      call({ kernel: [...stored, 'gemm_plain'], workgroups: Math.ceil(blocks / 64) });
      return;
    case 'skinny': {
      const reduce = choice.subgroups ? 'lib/reduce_rows_subgroup' : 'lib/reduce_rows';
      const first = choice.subgroups ? ['lib/enable_subgroups'] : [];
      call({ kernel: [...first, ...stored, reduce, 'gemm_skinny'], workgroups: blocks });
      return;
    }
    case 'integer':
      recordInteger(ctx, product, right);
      return;
    case 'tiled':
    case 'half':
      break;
  }
  const { bm, bn, bk, splits } = choice.tile;
  const half = choice.kernel === 'half';
  const overrides = { BM: bm, BN: bn, ...(half ? {} : { BK: bk }), THREADS: (bm / 8) * (bn / 8) };
  const first = half ? ['lib/enable_f16'] : [];
  const last = half ? ['lib/run16', 'gemm_half'] : ['gemm_tiled'];
  const workgroups = Math.ceil(m / bm) * Math.ceil(n / bn) * splits;
  if (splits === 1) {
    call({ kernel: [...first, ...stored, ...last], overrides, workgroups });
    return;
  }
  const partial = ctx.temp(4 * splits * m * n);
  const kernel = [...first, ...base, 'emit/partial', ...middle, ...last];
  call({ kernel, overrides, bindings: { ...sources, partial }, inPlace: undefined, workgroups });
  const { rowStart, yStride, activation, hasBias, hasResidual } = params;
  ctx.call({
    kernel: ['lib/index', 'lib/activation', 'lib/epilogue', 'gemm_reduce'],
    bindings: { ...results, partial },
    params: { m, n, splits, rowStart, yStride, activation, hasBias, hasResidual },
    inPlace,
    share: 0,
    workgroups: Math.ceil((m * n) / 256),
  });
}

/** The epilogue adds a residual where it stores the sum. */
function residualInPlace({ residual }: Product): KernelCall['inPlace'] {
  return residual && { residual: { hasResidual: 2 } };
}

function productParams(product: Product, right: Right) {
  const { m, channels, matrix, activation, side, prologue, image } = product;
  const { storage, rows } = matrix.weight.plan;
  return {
    m,
    n: right.rows,
    k: right.rowElems,
    channels,
    rowElems: right.rowElems,
    rowStart: right.rowStart,
    yStride: rows,
    activation,
    hasBias: product.bias ? 1 : 0,
    hasResidual: product.residual ? 1 : 0,
    blockSize: storage.kind === 'codes' ? storage.blockSize : 1,
    rank: side?.rank ?? 0,
    splits: 'tile' in product.choice ? product.choice.tile.splits : 1,
    prologueSilu: prologue?.silu ? 1 : 0,
    ...image,
  };
}

/** Activations to 8 bits in a pass of their own, then the product in integers. */
function recordInteger(ctx: OpContext, product: Product, right: Right): void {
  const { m } = product;
  const n = right.rows;
  const k = right.rowElems;
  const count = (m * k) / 32;
  const codes = ctx.temp(m * k);
  const xScales = ctx.temp(4 * count);
  ctx.call({
    kernel: ['lib/index', 'quantize_rows'],
    bindings: { x: product.x, codes, scales: xScales },
    params: { count },
    share: 0,
    workgroups: Math.ceil(count / 64),
  });
  const files = ['lib/index', 'lib/half', 'lib/activation', 'lib/gemm_params', 'lib/epilogue', 'emit/store'];
  ctx.call({
    kernel: [...files, `integer/${right.fragment}`, 'gemm_integer'],
    bindings: {
      x: codes,
      xScales,
      quants: right.quants,
      scales: right.scales,
      bias: product.bias,
      residual: product.residual,
      y: product.y,
    },
    params: productParams(product, right),
    inPlace: residualInPlace(product),
    share: n / product.matrix.weight.plan.rows,
    workgroups: Math.ceil(m / 64) * Math.ceil(n / 64),
  });
}
