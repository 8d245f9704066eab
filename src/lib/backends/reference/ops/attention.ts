import { axes3, axes4, need, type Evaluate } from './evaluate';

/** A row whose scores are all minus infinity gives zeros, as PyTorch's scaled_dot_product_attention does. */
export const attention: Evaluate<'attention'> = (inputs, { heads, kvHeads, scale, causal }) => {
  const { shape: qShape, data: q } = need('attention', inputs, 0);
  const { shape: kShape, data: k } = need('attention', inputs, 1);
  const v = need('attention', inputs, 2).data;
  const bias = inputs[3];
  const [n, tq, qWidth] = axes3(qShape);
  const [, tk, kWidth] = axes3(kShape);
  const [bn, bh, bq] = axes4(bias?.shape ?? []);
  const d = qWidth / heads;
  const y = new Float64Array(n * tq * qWidth);
  const scores = new Float64Array(tk);
  const sum = new Float64Array(d);
  for (let image = 0; image < n; image++) {
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / (heads / kvHeads));
      for (let i = 0; i < tq; i++) {
        const qAt = (image * tq + i) * qWidth + head * d;
        const seen = causal ? Math.min(tk, i + 1) : tk;
        const biasRow = ((bn === 1 ? 0 : image) * bh + (bh === 1 ? 0 : head)) * bq + (bq === 1 ? 0 : i);
        let largest = -Infinity;
        for (let j = 0; j < seen; j++) {
          const kAt = (image * tk + j) * kWidth + kvHead * d;
          let dot = 0;
          for (let c = 0; c < d; c++) dot += (q[qAt + c] ?? 0) * (k[kAt + c] ?? 0);
          const score = dot * scale + (bias?.data[biasRow * tk + j] ?? 0);
          scores[j] = score;
          // Written so that a NaN score stays visible in the result.
          if (!(score <= largest)) largest = score;
        }
        if (largest === -Infinity) continue;
        let total = 0;
        sum.fill(0);
        for (let j = 0; j < seen; j++) {
          const share = Math.exp((scores[j] ?? 0) - largest);
          total += share;
          const vAt = (image * tk + j) * kWidth + kvHead * d;
          for (let c = 0; c < d; c++) sum[c] = (sum[c] ?? 0) + share * (v[vAt + c] ?? 0);
        }
        for (let c = 0; c < d; c++) y[qAt + c] = (sum[c] ?? 0) / total;
      }
    }
  }
  return y;
};
