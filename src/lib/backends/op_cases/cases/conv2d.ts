import type { Conv2dAttrs } from '../../../graph/ops/conv2d';
import { PRODUCTS, QUANTIZED_PRODUCTS, TRANSCENDENTAL } from '../bounds';
import { opCase, type Bound, type OpCase } from '../op_case';
import type { CaseWeightType } from '../packed';

interface Row {
  readonly n: number;
  readonly ic: number;
  readonly oc: number;
  readonly h: number;
  readonly w: number;
  readonly k: number;
  readonly pad?: readonly [number, number, number, number];
  readonly stride?: number;
  readonly upsample?: 1 | 2;
  readonly padMode?: Conv2dAttrs['padMode'];
  readonly activation?: Conv2dAttrs['activation'];
  readonly bias?: false;
  readonly residual?: true;
  readonly type?: CaseWeightType;
  readonly rows?: true;
  readonly scale?: number;
}

function row(params: Row, why?: string, bound: Bound = PRODUCTS): OpCase {
  return opCase('conv2d', params, { bound, ...(why === undefined ? {} : { why }) }, (s, p) => {
    const { n, ic, oc, h, w, k, stride = 1, upsample = 1, padMode = 'zeros', activation } = p;
    const side = Math.floor(k / 2);
    const pad = p.pad ?? [side, side, side, side];
    const x = s.image('x', [n, ic, h, w], { scale: p.scale ?? 1 });
    const weight = s.weight('weight', [oc, ic, k, k], {
      type: p.type ?? 'F32',
      std: 1 / Math.sqrt(ic * k * k) / (p.scale ?? 1),
      rows: p.rows ?? false,
    });
    const bias = p.bias === false ? undefined : s.weight('bias', [oc]);
    const oh = Math.floor((h * upsample + pad[0] + pad[2] - k) / stride) + 1;
    const ow = Math.floor((w * upsample + pad[1] + pad[3] - k) / stride) + 1;
    const residual = p.residual ? s.image('residual', [n, oc, oh, ow]) : undefined;
    const attrs = { stride, pad, padMode, upsample, ...(activation ? { activation } : {}) };
    return s.g.op('conv2d', [x, weight, bias, residual], attrs);
  });
}

export const conv2dCases: readonly OpCase[] = [
  row({ n: 1, ic: 1, oc: 1, h: 1, w: 1, k: 1 }, 'everything is one'),
  row({ n: 1, ic: 4, oc: 32, h: 8, w: 8, k: 3 }, 'first layer of a denoiser'),
  row({ n: 2, ic: 3, oc: 5, h: 7, w: 9, k: 3 }, 'odd sizes, batch 2'),
  row({ n: 1, ic: 33, oc: 65, h: 9, w: 17, k: 3 }, 'one over a tile everywhere'),
  row({ n: 1, ic: 33, oc: 65, h: 7, w: 9, k: 3, stride: 2 }, 'one over a tile, stride 2'),
  row(
    { n: 1, ic: 8, oc: 8, h: 8, w: 8, k: 3, stride: 2, pad: [0, 1, 1, 0] },
    'the autoencoder pads right and bottom only',
  ),
  row({ n: 1, ic: 4, oc: 4, h: 5, w: 6, k: 3, pad: [2, 0, 1, 3] }, 'four different pads'),
  row({ n: 1, ic: 4, oc: 8, h: 6, w: 5, k: 3, pad: [0, 0, 0, 0] }, 'no padding'),
  row({ n: 1, ic: 4, oc: 8, h: 5, w: 7, k: 3, padMode: 'circular' }, 'tiling'),
  row({ n: 1, ic: 4, oc: 8, h: 6, w: 8, k: 3, padMode: 'circular', stride: 2 }, 'tiling, stride 2'),
  row({ n: 1, ic: 4, oc: 8, h: 3, w: 4, k: 3, padMode: 'circular', upsample: 2 }, 'tiling, enlarged'),
  row({ n: 2, ic: 5, oc: 6, h: 3, w: 5, k: 3, upsample: 2 }, 'enlarged first'),
  row({ n: 1, ic: 32, oc: 32, h: 8, w: 8, k: 3, upsample: 2 }, 'enlarged first, whole tiles'),
  row({ n: 2, ic: 17, oc: 9, h: 5, w: 3, k: 1 }, '1x1'),
  row({ n: 1, ic: 64, oc: 64, h: 16, w: 16, k: 1, bias: false }, '1x1, whole tiles, no bias'),
  row({ n: 1, ic: 3, oc: 4, h: 9, w: 9, k: 5 }, '5x5'),
  row({ n: 1, ic: 3, oc: 8, h: 28, w: 28, k: 14, stride: 14, pad: [0, 0, 0, 0] }, 'patch embedding of a vision tower'),
  row({ n: 1, ic: 4, oc: 8, h: 8, w: 8, k: 2, stride: 2, pad: [0, 0, 0, 0] }, 'even kernel'),
  row({ n: 1, ic: 512, oc: 8, h: 4, w: 4, k: 3 }, 'long sum, small map: split-K'),
  row({ n: 1, ic: 8, oc: 8, h: 4, w: 4, k: 3, residual: true }, 'residual'),
  row(
    { n: 2, ic: 7, oc: 6, h: 5, w: 4, k: 3, residual: true, activation: 'silu' },
    'activation, then residual',
    TRANSCENDENTAL,
  ),
  row({ n: 1, ic: 6, oc: 6, h: 4, w: 4, k: 3, activation: 'relu', bias: false }, 'activation without bias'),
  ...(['F16', 'BF16', 'Q8_0', 'Q4_0', 'F8_E4M3'] as const).map((type) =>
    row({ n: 1, ic: 32, oc: 24, h: 6, w: 5, k: 3, type }, 'stored type', QUANTIZED_PRODUCTS),
  ),
  row({ n: 1, ic: 32, oc: 16, h: 4, w: 4, k: 1, type: 'Q8_0', rows: true }, 'range of rows', QUANTIZED_PRODUCTS),
  row({ n: 1, ic: 64, oc: 64, h: 6, w: 6, k: 3, scale: 1e4 }, 'inputs to ±4e4'),
  row({ n: 1, ic: 64, oc: 16, h: 6, w: 6, k: 3, scale: 1e-4 }, 'tiny inputs, large weights'),
];
