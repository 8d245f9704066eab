import { ATTENTION, STEEP_ATTENTION } from '../bounds';
import { opCase, type Bound, type OpCase } from '../op_case';

interface Row {
  readonly n: number;
  readonly tq: number;
  readonly tk: number;
  readonly heads: number;
  readonly d: number;
  readonly kvHeads?: number;
  readonly causal?: true;
  readonly scale?: number;
  /** Shape of the bias; `masked` puts minus infinity on some keys. */
  readonly bias?: readonly [number, number, number];
  readonly masked?: true;
  readonly inputScale?: number;
}

function row(params: Row, why?: string, bound: Bound = ATTENTION): OpCase {
  return opCase('attention', params, { bound, ...(why === undefined ? {} : { why }) }, (s, p) => {
    const { n, tq, tk, heads, d, kvHeads = heads, causal = false, inputScale = 1 } = p;
    const q = s.plain('q', [n, tq, heads * d], { scale: inputScale });
    const k = s.plain('k', [n, tk, kvHeads * d], { scale: inputScale });
    const v = s.plain('v', [n, tk, kvHeads * d]);
    let bias = p.bias && s.plain('bias', [...p.bias, tk]);
    if (p.masked) {
      // Every third key is hidden, the first never, so that no row is empty.
      bias = s.data(
        'mask',
        [1, 1, 1, tk],
        Float32Array.from({ length: tk }, (_, j) => (j % 3 === 2 ? -Infinity : 0)),
      );
    }
    const options = { heads, kvHeads, causal, ...(p.scale === undefined ? {} : { scale: p.scale }) };
    return s.g.attention(q, k, v, { ...options, ...(bias ? { bias } : {}) });
  });
}

export const attentionCases: readonly OpCase[] = [
  row({ n: 1, tq: 1, tk: 1, heads: 1, d: 8 }, 'one token'),
  row({ n: 1, tq: 16, tk: 16, heads: 2, d: 8 }, 'self-attention'),
  row({ n: 2, tq: 17, tk: 33, heads: 3, d: 20 }, 'nothing is a multiple of a tile'),
  row({ n: 2, tq: 64, tk: 77, heads: 4, d: 16 }, 'cross-attention to a prompt'),
  row({ n: 1, tq: 65, tk: 129, heads: 1, d: 64 }, 'one over large tiles'),
  row({ n: 1, tq: 40, tk: 40, heads: 2, d: 40 }, 'head width 40 of SD1'),
  row({ n: 1, tq: 20, tk: 20, heads: 2, d: 128 }, 'head width 128 of FLUX'),
  row({ n: 1, tq: 12, tk: 12, heads: 1, d: 160 }, 'head width 160 of SD1'),
  row({ n: 1, tq: 30, tk: 30, heads: 1, d: 512 }, 'head width 512 of the autoencoder'),
  row({ n: 1, tq: 1, tk: 300, heads: 2, d: 32 }, 'one query, many keys'),
  row({ n: 1, tq: 100, tk: 1, heads: 2, d: 32 }, 'one key'),
  row({ n: 2, tq: 21, tk: 21, heads: 4, d: 8, causal: true }, 'causal'),
  row({ n: 1, tq: 70, tk: 70, heads: 1, d: 32, causal: true }, 'causal, over a tile'),
  row({ n: 2, tq: 19, tk: 19, heads: 6, d: 16, kvHeads: 2 }, 'heads share keys and values'),
  row({ n: 1, tq: 19, tk: 19, heads: 4, d: 16, kvHeads: 1, causal: true }, 'one key head, causal'),
  row({ n: 1, tq: 9, tk: 11, heads: 2, d: 16, scale: 1 }, 'T5 does not scale'),
  row({ n: 2, tq: 9, tk: 11, heads: 2, d: 16, bias: [2, 2, 9] }, 'full bias'),
  row({ n: 2, tq: 9, tk: 11, heads: 2, d: 16, bias: [1, 2, 9] }, 'bias shared by pictures: T5 positions'),
  row({ n: 2, tq: 9, tk: 11, heads: 2, d: 16, bias: [2, 1, 1] }, 'bias per picture and key'),
  row({ n: 2, tq: 9, tk: 11, heads: 2, d: 16, bias: [1, 1, 1] }, 'bias per key'),
  row({ n: 2, tq: 9, tk: 70, heads: 2, d: 16, masked: true }, 'keys hidden by minus infinity'),
  row({ n: 1, tq: 33, tk: 33, heads: 2, d: 16, bias: [1, 1, 33], causal: true }, 'bias and causal'),
  row({ n: 1, tq: 24, tk: 40, heads: 2, d: 16, inputScale: 10 }, 'scores of some hundreds', STEEP_ATTENTION),
];
