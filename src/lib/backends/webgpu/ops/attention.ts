/** Scaled dot-product attention. */
import type { RecordOp } from './registry';

/** Output vectors that a thread of `attention_flash.wgsl` can hold. */
const MAX_VECTORS = 4;
/** Outputs of a thread of `attention_plain.wgsl`. */
const PLAIN_OUTPUTS = 64;

function id(value: number | undefined): number {
  return value ?? -1;
}

export const recordAttention: RecordOp<'attention'> = (ctx, node) => {
  const [q, k, v, bias] = node.inputs;
  const [n = 1, queries = 1, wide = 1] = ctx.value(id(q)).shape;
  const keys = ctx.value(id(k)).shape[1] ?? 1;
  const { heads, kvHeads, scale, causal } = node.attrs;
  const width = wide / heads;
  const [bn = 1, bh = 1, bq = 1] = bias === undefined ? [] : ctx.value(bias).shape;
  const biasOperand = ctx.optional(bias);
  const bindings = {
    q: ctx.operand(id(q)),
    k: ctx.operand(id(k)),
    v: ctx.operand(id(v)),
    bias: biasOperand,
    y: ctx.result(),
  };
  const params = {
    queries,
    keys,
    heads,
    kvHeads,
    width,
    causal: causal ? 1 : 0,
    hasBias: biasOperand ? 1 : 0,
    biasN: bn === 1 ? 0 : bh * bq * keys,
    biasH: bh === 1 ? 0 : bq * keys,
    biasQ: bq === 1 ? 0 : keys,
    scale,
  };
  const choice = ctx.tuning.attention({ queries, keys, width, heads: n * heads });
  if (choice.kernel === 'flash' && width % 4 === 0) {
    // No more output vectors per thread than the heads need: eight threads share a query.
    const vectors = Math.min(MAX_VECTORS, Math.ceil(width / 32));
    const total = n * heads * Math.ceil(width / (32 * vectors)) * Math.ceil(queries / 32);
    const { half = false, subgroups = false } = choice;
    ctx.call({
      kernel: [
        ...(half ? ['lib/enable_f16'] : []),
        ...(subgroups ? ['lib/enable_subgroups'] : []),
        'lib/index',
        ...(half ? ['lib/run16', 'attention/scores_half'] : ['attention/scores']),
        `attention/maxima${subgroups ? '_subgroup' : ''}`,
        'attention/query',
        'attention_flash',
      ],
      overrides: { VECTORS: vectors },
      bindings,
      params: { ...params, total },
      workgroups: total,
    });
    return;
  }
  const count = n * queries * heads * Math.ceil(width / PLAIN_OUTPUTS);
  ctx.call({
    kernel: ['lib/index', `attention/rows${width % 4 === 0 ? '4' : ''}`, 'attention_plain'],
    bindings,
    params: { ...params, count },
    workgroups: Math.ceil(count / 64),
  });
};
