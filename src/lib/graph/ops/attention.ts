import { defineOp, f32, required, requireRank, shapeError } from './define';

export interface AttentionAttrs {
  readonly heads: number;
  /** Key/value heads; smaller than `heads` in grouped-query attention, and divides it. */
  readonly kvHeads: number;
  /** Multiplies q·k; usually 1/sqrt(head width), 1 in T5. */
  readonly scale: number;
  /** Token i sees tokens 0..i only. */
  readonly causal: boolean;
}

/** Scaled dot-product attention. q `[N, Tq, heads*D]`, k and v `[N, Tk, kvHeads*D]`, bias `[N|1, heads|1, Tq|1, Tk]`. */
export const attention = defineOp<AttentionAttrs>()({
  name: 'attention',
  summary: 'y = softmax(scale · q·kᵀ + bias) · v, per head; softmax in f32',
  inputs: ['q', 'k', 'v', 'bias?'],
  infer(inputs, { heads, kvHeads }) {
    const q = required('attention', inputs, 0, 'q');
    const k = required('attention', inputs, 1, 'k');
    const v = required('attention', inputs, 2, 'v');
    for (const [name, type] of Object.entries({ q, k, v })) requireRank('attention', name, type, 3);
    const [n = 0, tq = 0, dq = 0] = q.shape;
    const [nk, tk, dk = 0] = k.shape;
    if (heads < 1 || kvHeads < 1 || heads % kvHeads !== 0) {
      throw shapeError('attention', `kvHeads must divide ${heads} heads`, kvHeads);
    }
    if (dq % heads !== 0) throw shapeError('attention', `the width of q must be a multiple of ${heads} heads`, q.shape);
    if (nk !== n || dk !== (dq / heads) * kvHeads) {
      throw shapeError('attention', `k must be [${n}, Tk, ${(dq / heads) * kvHeads}]`, k.shape);
    }
    if (v.shape[0] !== n || v.shape[1] !== tk || v.shape[2] !== dk) {
      throw shapeError('attention', 'v must have the shape of k', v.shape);
    }
    const bias = inputs[3];
    if (bias) {
      requireRank('attention', 'bias', bias, 4);
      const [bn, bh, bq, bk] = bias.shape;
      const fits = (bn === 1 || bn === n) && (bh === 1 || bh === heads) && (bq === 1 || bq === tq) && bk === tk;
      if (!fits) throw shapeError('attention', `bias must be [${n}|1, ${heads}|1, ${tq}|1, ${tk}]`, bias.shape);
    }
    return f32(q.shape);
  },
  flops(inputs) {
    const [n = 0, tq = 0, d = 0] = required('attention', inputs, 0, 'q').shape;
    const tk = required('attention', inputs, 1, 'k').shape[1] ?? 0;
    return 4 * n * tq * tk * d;
  },
});
