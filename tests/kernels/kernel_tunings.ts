/** Each fast kernel as a tuning that uses it everywhere, with the operator cases that reach it and what it may err. */
import type { OpCase } from '../../src/lib/backends/op_cases/op_case';
import {
  DEFAULT_TILE,
  defaultTuning,
  plainTuning,
  type AttentionChoice,
  type GemmChoice,
  type Tuning,
} from '../../src/lib/backends/webgpu/tuning';
import { KERNEL_VARIANTS, missingFeatures, type KernelVariantId } from '../../src/lib/backends/webgpu/variants';

export interface VariantCase {
  readonly name: string;
  readonly variant: KernelVariantId;
  readonly tuning: Tuning;
  readonly picks: (c: OpCase) => boolean;
  /** Fewer cases for software adapters that compile each kernel for seconds; default all. */
  readonly few?: (c: OpCase) => boolean;
  /** NMSE; default that of the case in f32. */
  readonly bound?: number;
}

const gemm = (choice: GemmChoice): Tuning => ({ ...plainTuning, gemm: () => choice });
const attention = (choice: AttentionChoice): Tuning => ({ ...plainTuning, attention: () => choice });
const tiled = (splits: number, rest: { kernel?: 'half'; scratch?: 'f16' | 'f32' } = {}) =>
  gemm({ kernel: 'tiled', tile: { ...DEFAULT_TILE, splits }, ...rest });

interface Params {
  readonly type?: string;
  readonly k?: number;
  readonly ic?: number;
  readonly view?: string;
  readonly rows?: unknown;
}
const params = (c: OpCase) => c.params as Params;
const isFloat = (c: OpCase) => params(c).type === undefined;
const floatLinear = (c: OpCase) => c.op === 'linear' && isFloat(c);
const floatConv = (c: OpCase) => c.op === 'conv2d' && isFloat(c);
const storedLinear = (...types: string[]) => {
  return (c: OpCase) => c.op === 'linear' && types.includes(params(c).type ?? '') && params(c).view === undefined;
};
const storedConv = (c: OpCase) => c.op === 'conv2d' && !isFloat(c);

/** Weights rounded to 11 bits: relative error 2^-12, NMSE 2e-8. */
const HALF_WEIGHTS = 1e-7;
/** Both factors rounded to 11 bits and 16 products added in half precision; the agreed limit is 5e-4. */
const HALF_PRODUCTS = 5e-6;
/** Activations rounded to 8 bits. */
const BYTE_PRODUCTS = 5e-4;

export const VARIANT_CASES: readonly VariantCase[] = [
  { name: 'skinny', variant: 'gemm-skinny', tuning: gemm({ kernel: 'skinny' }), picks: floatLinear },
  {
    name: 'skinny, subgroups',
    variant: 'gemm-skinny-subgroups',
    tuning: gemm({ kernel: 'skinny', subgroups: true }),
    picks: floatLinear,
  },
  { name: 'tiled linear', variant: 'gemm-tiled', tuning: tiled(1), picks: floatLinear },
  { name: 'tiled convolution, split in three', variant: 'gemm-split', tuning: tiled(3), picks: floatConv },
  { name: 'tiled Q4_K', variant: 'gemm-tiled', tuning: tiled(1), picks: storedLinear('Q4_K') },
  {
    name: 'scratch in half precision',
    variant: 'gemm-scratch',
    tuning: tiled(1, { scratch: 'f16' }),
    picks: (c) => storedConv(c) || storedLinear('Q4_K', 'NF4', 'LLM_INT8')(c),
    few: (c) => ['Q4_K', 'Q8_0'].includes(params(c).type ?? '') && !('rows' in c.params && c.op === 'conv2d'),
    bound: HALF_WEIGHTS,
  },
  {
    name: 'scratch in f32',
    variant: 'gemm-scratch',
    tuning: tiled(1, { scratch: 'f32' }),
    picks: (c) => c.op === 'conv2d' && ['Q8_0', 'Q4_0'].includes(params(c).type ?? ''),
    few: (c) => params(c).type === 'Q4_0',
  },
  {
    name: 'plain, scratch in f32',
    variant: 'gemm-scratch',
    tuning: gemm({ kernel: 'plain', scratch: 'f32' }),
    picks: (c) => storedConv(c) || storedLinear('Q4_0', 'Q8_0', 'Q4_K', 'NF4', 'LLM_INT8')(c),
    few: (c) => c.op === 'linear' || params(c).type === 'Q4_0',
  },
  {
    name: 'half linear',
    variant: 'gemm-half',
    tuning: tiled(1, { kernel: 'half' }),
    picks: (c) => floatLinear(c) || storedLinear('Q8_0', 'Q4_K', 'F16')(c),
    bound: HALF_PRODUCTS,
  },
  {
    name: 'half convolution, split in three',
    variant: 'gemm-half',
    tuning: tiled(3, { kernel: 'half' }),
    picks: floatConv,
    bound: HALF_PRODUCTS,
  },
  {
    name: 'integers',
    variant: 'gemm-integer',
    tuning: gemm({ kernel: 'integer' }),
    picks: storedLinear('Q8_0', 'Q4_0', 'LLM_INT8'),
    few: storedLinear('Q4_0'),
    bound: BYTE_PRODUCTS,
  },
  {
    name: 'flash',
    variant: 'attention-flash',
    tuning: attention({ kernel: 'flash' }),
    picks: (c) => c.op === 'attention',
    // One kernel per number of vectors in the head: 1 and, with several groups a head, 4.
    few: (c) => [8, 16, 20, 32, 160].includes(Number((c.params as { d?: number }).d)),
  },
  {
    name: 'flash, subgroups',
    variant: 'attention-subgroups',
    tuning: attention({ kernel: 'flash', subgroups: true }),
    picks: (c) => c.op === 'attention',
  },
  {
    name: 'flash in half precision',
    variant: 'attention-half',
    tuning: attention({ kernel: 'flash', half: true }),
    // Scores of some hundreds rounded to 11 bits are off by a tenth, which no use of attention has.
    picks: (c) => c.op === 'attention' && !('inputScale' in c.params),
    bound: 5e-5,
  },
  {
    name: 'norms, subgroups',
    variant: 'norm-subgroups',
    tuning: { ...plainTuning, subgroupNorms: true },
    picks: (c) => c.op === 'layerNorm' || c.op === 'rmsNorm' || c.op === 'groupNorm',
  },
];

/**
 * What a device chooses on which every variant that it can run has passed the self-test.
 * @param fullGroups 1 splits no sums, which saves software adapters a kernel per number of parts
 */
export function fastTuning(gpu: Parameters<typeof missingFeatures>[0], fullGroups = 64): Tuning {
  const enabled = KERNEL_VARIANTS.filter((variant) => missingFeatures(gpu, variant).length === 0).map(({ id }) => id);
  return defaultTuning({ enabled: new Set(enabled), fullGroups, halfFloats: gpu.has('shader-f16') });
}
