/** Group, layer and root-mean-square normalisation. */
import { elementCount } from '../../../base/shape';
import type { Node, ValueId } from '../../../graph/ir';
import type { Operand } from '../plan_types';
import type { OpContext } from '../op_context';
import { activationCode, X_IN_PLACE } from './codes';
import { takesAffine } from './matrix';
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
    kernel: [...reduction(ctx), 'group_norm_stats'],
    bindings: { x: source, stats },
    params: { ...shared, total },
    workgroups: total,
    share: 0.5,
  });
  const weight = ctx.operand(id(node.inputs[1]));
  const bias = ctx.operand(id(node.inputs[2]));
  const reader = ctx.onlyReader(node.output);
  const simple = activation === undefined || activation === 'silu';
  if (simple && reader && takesAffine(ctx, reader, node.output, activation === 'silu')) {
    const affine = ctx.temp(8 * n * channels);
    ctx.call({
      kernel: ['lib/index', 'lib/group_moments', 'group_norm_fold'],
      bindings: { weight, bias, stats, affine },
      params: { ...shared, count: (n * channels) / 4, eps },
      workgroups: Math.ceil((n * channels) / 4 / 64),
      share: 0.5,
    });
    ctx.defer(node.output, { kind: 'affine', x: x.id, affine, silu: activation === 'silu' });
    return;
  }
  const step = width % 4 === 0 ? 4 : 1;
  const count = elementCount(x.shape) / step;
  ctx.call({
    kernel: ['lib/index', 'lib/activation', 'lib/group_moments', 'lib/source', 'group_norm_apply'],
    bindings: { x: source, weight, bias, stats, y: ctx.result() },
    params: { ...shared, count, step, activation: activationCode(activation), inPlace: 0, eps },
    inPlace: X_IN_PLACE,
    workgroups: Math.ceil(count / 256),
    share: 0.5,
  });
};

/** Files of a kernel that adds up over a workgroup. */
function reduction({ tuning }: OpContext): readonly string[] {
  return tuning.subgroupNorms
    ? ['lib/enable_subgroups', 'lib/index', 'lib/reduce_subgroup']
    : ['lib/index', 'lib/reduce'];
}

/** Scale and shift of an adaptive norm, `[N, 1, D]`. */
export interface Modulation {
  readonly scale: ValueId;
  readonly shift: ValueId | undefined;
}

/** A layer or root-mean-square norm, modulated in the same pass where it is an adaptive one. */
export function recordRowNorm(
  ctx: OpContext,
  node: Node<'layerNorm'> | Node<'rmsNorm'>,
  modulation?: Modulation,
): void {
  const x = ctx.value(id(node.inputs[0]));
  const size = node.op === 'rmsNorm' ? node.attrs.size : (x.shape.at(-1) ?? 1);
  const rows = elementCount(x.shape) / size;
  const weight = ctx.optional(node.inputs[1]);
  const bias = ctx.optional(node.inputs[2]);
  const scale = ctx.optional(modulation?.scale);
  const shift = ctx.optional(modulation?.shift);
  const given = (operand: Operand | undefined) => (operand ? 1 : 0);
  ctx.call({
    kernel: [...reduction(ctx), 'lib/source', 'row_norm'],
    bindings: { x: ctx.operand(x.id), weight, bias, scale, shift, y: ctx.result() },
    params: {
      rows,
      size,
      subtractMean: node.op === 'layerNorm' ? 1 : 0,
      hasWeight: given(weight),
      hasBias: given(bias),
      hasScale: given(scale),
      hasShift: given(shift),
      tokens: rows / (x.shape[0] ?? 1),
      inPlace: 0,
      eps: node.attrs.eps,
    },
    inPlace: X_IN_PLACE,
    workgroups: rows,
  });
}

/** A norm whose only reader modulates it is left to that reader. */
function recordOrDefer(ctx: OpContext, node: Node<'layerNorm'> | Node<'rmsNorm'>): void {
  const reader = ctx.onlyReader(node.output);
  const { shape } = ctx.value(node.output);
  const wholeRows = node.op === 'layerNorm' || node.attrs.size === shape.at(-1);
  if (reader?.op === 'modulate' && reader.inputs[0] === node.output && wholeRows) {
    ctx.defer(node.output, { kind: 'norm', node });
    return;
  }
  recordRowNorm(ctx, node);
}

export const recordLayerNorm: RecordOp<'layerNorm'> = recordOrDefer;
export const recordRmsNorm: RecordOp<'rmsNorm'> = recordOrDefer;
