/** Embedding tables, picked tokens, time features, rotary positions, pooling. */
import { elementCount } from '../../../base/shape';
import { timestepFrequencies } from '../../../graph/ops/timestep_embedding';
import { X_IN_PLACE } from './codes';
import type { RecordOp } from './registry';

function id(value: number | undefined): number {
  return value ?? -1;
}

export const recordEmbedding: RecordOp<'embedding'> = (ctx, node) => {
  const [ids, table] = node.inputs;
  const tokens = elementCount(ctx.value(id(ids)).shape);
  const { weight, parts } = ctx.matrix(id(table), 'matrix');
  const { storage, rowElems, rows, rowLength: width } = weight.plan;
  ctx.checkIds(id(ids), rows);
  const count = tokens * Math.ceil(width / 4);
  const source = ctx.operand(id(ids));
  const target = ctx.result();
  for (const part of parts) {
    ctx.call({
      kernel: ['lib/index', 'lib/half', `quant/${storage.fragment}`, 'embedding'],
      bindings: { ids: source, quants: part.quants, scales: part.scales, y: target },
      params: {
        count,
        width,
        rowElems,
        rowStart: part.rowStart,
        rows: part.rows,
        blockSize: storage.kind === 'codes' ? storage.blockSize : 1,
      },
      workgroups: Math.ceil(count / 256),
    });
  }
};

export const recordGatherToken: RecordOp<'gatherToken'> = (ctx, node) => {
  const [x, index] = node.inputs;
  const [, tokens = 1, width = 1] = ctx.value(id(x)).shape;
  const count = elementCount(ctx.value(node.output).shape);
  ctx.checkIds(id(index), tokens);
  ctx.call({
    kernel: ['lib/index', 'gather_token'],
    bindings: { x: ctx.operand(id(x)), index: ctx.operand(id(index)), y: ctx.result() },
    params: { count, width, tokens },
    workgroups: Math.ceil(count / 256),
  });
};

export const recordTimestepEmbedding: RecordOp<'timestepEmbedding'> = (ctx, node) => {
  const { dim, first, scale } = node.attrs;
  const count = elementCount(ctx.value(node.output).shape);
  ctx.call({
    kernel: ['lib/index', 'timestep_embedding'],
    bindings: {
      t: ctx.operand(id(node.inputs[0])),
      frequencies: ctx.resident(timestepFrequencies(node.attrs)),
      y: ctx.result(),
    },
    params: { count, half: dim / 2, sinFirst: first === 'sin' ? 1 : 0, scale },
    workgroups: Math.ceil(count / 256),
  });
};

export const recordRope: RecordOp<'rope'> = (ctx, node) => {
  const [x, cos, sin] = node.inputs;
  const [, tokens = 1, width = 1] = ctx.value(id(x)).shape;
  const { heads, pairing } = node.attrs;
  const count = elementCount(ctx.value(node.output).shape) / 2;
  ctx.call({
    kernel: ['lib/index', 'lib/source', 'rope'],
    bindings: {
      x: ctx.operand(id(x)),
      cosTable: ctx.operand(id(cos)),
      sinTable: ctx.operand(id(sin)),
      y: ctx.result(),
    },
    params: {
      count,
      half: width / heads / 2,
      heads,
      tokens,
      tableBatch: ctx.value(id(cos)).shape[0] ?? 1,
      inPlace: 0,
      halves: pairing === 'halves' ? 1 : 0,
    },
    inPlace: X_IN_PLACE,
    workgroups: Math.ceil(count / 256),
  });
};

export const recordAveragePool: RecordOp<'averagePool'> = (ctx, node) => {
  const { shape } = ctx.value(node.output);
  const [, channels = 1, outHeight = 1, outWidth = 1] = shape;
  const count = elementCount(shape);
  ctx.call({
    kernel: ['lib/index', 'average_pool'],
    bindings: { x: ctx.operand(id(node.inputs[0])), y: ctx.result() },
    params: { count, channels, outHeight, outWidth, size: node.attrs.size },
    workgroups: Math.ceil(count / 256),
  });
};
