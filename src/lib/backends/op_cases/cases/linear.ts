import { ACTIVATIONS, type Activation } from '../../../graph/ops/activation';
import { PRODUCTS, QUANTIZED_PRODUCTS, TRANSCENDENTAL } from '../bounds';
import { opCase, type Bound, type OpCase } from '../op_case';
import { CASE_WEIGHT_TYPES, type CaseWeightType } from '../packed';

interface Row {
  /** All axes but the last of x. */
  readonly rows: readonly number[];
  readonly k: number;
  readonly n: number;
  readonly bias?: false;
  readonly activation?: Activation;
  readonly residual?: true;
  readonly type?: CaseWeightType;
  readonly view?: 'rows' | 'transposed' | 'rows+transposed';
  readonly scale?: number;
}

function row(params: Row, why?: string, bound: Bound = PRODUCTS): OpCase {
  return opCase('linear', params, { bound, ...(why === undefined ? {} : { why }) }, (s, p) => {
    const x = s.plain('x', [...p.rows, p.k], { scale: p.scale ?? 1 });
    const weight = s.weight('weight', [p.n, p.k], {
      type: p.type ?? 'F32',
      std: 1 / Math.sqrt(p.k) / (p.scale ?? 1),
      rows: p.view?.includes('rows') ?? false,
      transposed: p.view?.includes('transposed') ?? false,
    });
    const bias = p.bias === false ? undefined : s.weight('bias', [p.n]);
    const residual = p.residual ? s.plain('residual', [...p.rows, p.n]) : undefined;
    return s.g.op('linear', [x, weight, bias, residual], p.activation ? { activation: p.activation } : {});
  });
}

export const linearCases: readonly OpCase[] = [
  row({ rows: [1], k: 1, n: 1 }, 'everything is one'),
  row({ rows: [1], k: 64, n: 128 }, 'one row: a modulation vector'),
  row({ rows: [2, 7], k: 33, n: 65 }, 'one over a tile'),
  row({ rows: [1, 77], k: 96, n: 40 }, 'prompt tokens'),
  row({ rows: [2, 3, 5], k: 12, n: 9 }, 'four axes'),
  row({ rows: [65], k: 129, n: 257 }, 'one over large tiles'),
  row({ rows: [128], k: 128, n: 128, bias: false }, 'whole tiles, no bias'),
  row({ rows: [4], k: 4099, n: 3 }, 'long sum, prime'),
  row({ rows: [1], k: 2048, n: 64 }, 'one row, long sum'),
  row({ rows: [1, 300], k: 8, n: 8 }, 'many rows, short sum'),
  row({ rows: [3, 5], k: 16, n: 24, residual: true }, 'residual'),
  row({ rows: [3, 5], k: 16, n: 24, residual: true, activation: 'gelu' }, 'activation, then residual', TRANSCENDENTAL),
  ...ACTIVATIONS.map((activation) =>
    row({ rows: [5], k: 24, n: 17, activation }, 'epilogue activation', TRANSCENDENTAL),
  ),
  row({ rows: [9], k: 40, n: 24, view: 'transposed' }, 'stored as [K, N]'),
  row({ rows: [9], k: 40, n: 24, view: 'rows' }, 'part of a fused weight'),
  row({ rows: [9], k: 40, n: 24, view: 'rows+transposed' }, 'part of a fused weight, stored as [K, N]'),
  ...CASE_WEIGHT_TYPES.filter((type) => type !== 'F32').flatMap((type) => [
    row({ rows: [1], k: 512, n: 24, type }, 'stored type, one row', QUANTIZED_PRODUCTS),
    row({ rows: [70], k: 256, n: 72, type }, 'stored type, many rows', QUANTIZED_PRODUCTS),
  ]),
  row({ rows: [9], k: 256, n: 24, type: 'Q8_0', view: 'rows' }, 'blocks, part of a fused weight', QUANTIZED_PRODUCTS),
  row(
    { rows: [9], k: 256, n: 24, type: 'Q4_K', view: 'rows' },
    'super-blocks, part of a fused weight',
    QUANTIZED_PRODUCTS,
  ),
  row({ rows: [9], k: 64, n: 32, type: 'Q4_0', view: 'transposed' }, 'blocks along the other axis', QUANTIZED_PRODUCTS),
  row({ rows: [6], k: 36, n: 32, type: 'NF4' }, 'blocks of 64 that cross rows of 36', QUANTIZED_PRODUCTS),
  row({ rows: [20], k: 64, n: 64, scale: 1e4 }, 'inputs to ±4e4'),
  row({ rows: [20], k: 64, n: 64, scale: 1e-4 }, 'tiny inputs, large weights'),
];
