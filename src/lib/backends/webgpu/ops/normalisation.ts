/** Group, layer and root-mean-square normalisation. */
import { elementCount } from '../../../base/shape';
import type { OpContext } from '../recorder';
import { activationCode } from './codes';
import type { RecordOp } from './registry';

function id(value: number | undefined): number {
  return value ?? -1;
}

/** Pixels per chunk of statistics: enough groups to fill a device, few enough to merge in every thread. */
const MIN_CHUNK_ELEMS = 2048;
const MAX_CHUNKS = 16;

export const recordGroupNorm: RecordOp<'groupNorm'> = (ctx, node) => {
  const x = ctx.value(id(node.inputs[0]));
  const [n = 1, channels = 1, h = 1, w = 1] = x.shape;
  const { groups, eps, activation } = node.attrs;
  const pixels = h * w;
  const width = channels / groups;
  const wanted = Math.min(MAX_CHUNKS, Math.max(1, Math.floor((pixels * width) / MIN_CHUNK_ELEMS)));
  const chunkPixels = Math.ceil(pixels / wanted);
  const chunks = Math.ceil(pixels / chunkPixels);
  const total = n * groups * chunks;
  const stats = ctx.temp(8 * total);
  const source = ctx.operand(x.id);
  const shared = { pixels, channels, groups, chunks, chunkPixels };
  ctx.call({
    kernel: ['lib/index', 'lib/reduce', 'group_norm_stats'],
    bindings: { x: source, stats },
    params: { ...shared, total },
    workgroups: total,
    share: 0.5,
  });
  const step = width % 4 === 0 ? 4 : 1;
  const count = elementCount(x.shape) / step;
  ctx.call({
    kernel: ['lib/index', 'lib/activation', 'group_norm_apply'],
    bindings: {
      x: source,
      weight: ctx.operand(id(node.inputs[1])),
      bias: ctx.operand(id(node.inputs[2])),
      stats,
      y: ctx.result(),
    },
    params: { ...shared, count, step, activation: activationCode(activation), eps },
    workgroups: Math.ceil(count / 256),
    share: 0.5,
  });
};

function recordRowNorm(
  ctx: OpContext,
  inputs: readonly (number | undefined)[],
  { size, eps, subtractMean }: { size: number; eps: number; subtractMean: boolean },
): void {
  const x = ctx.value(id(inputs[0]));
  const rows = elementCount(x.shape) / size;
  const source = ctx.operand(x.id);
  const weight = ctx.optional(inputs[1]);
  const bias = ctx.optional(inputs[2]);
  ctx.call({
    kernel: ['lib/index', 'lib/reduce', 'row_norm'],
    bindings: { x: source, weight, bias, y: ctx.result() },
    params: { rows, size, subtractMean: subtractMean ? 1 : 0, hasWeight: weight ? 1 : 0, hasBias: bias ? 1 : 0, eps },
    workgroups: rows,
  });
}

export const recordLayerNorm: RecordOp<'layerNorm'> = (ctx, node) => {
  const size = ctx.value(id(node.inputs[0])).shape.at(-1) ?? 1;
  recordRowNorm(ctx, node.inputs, { size, eps: node.attrs.eps, subtractMean: true });
};

export const recordRmsNorm: RecordOp<'rmsNorm'> = (ctx, node) => {
  recordRowNorm(ctx, node.inputs, { size: node.attrs.size, eps: node.attrs.eps, subtractMean: false });
};
