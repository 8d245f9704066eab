/**
 * Start-up check of the fast kernels: each variant computes a tiny case whose sizes are no multiples of a tile, with rows
 * of ordinary, huge and tiny numbers (sums beyond the range of half precision among them), and is compared with the same
 * sums on the host, row by row. A variant that is wrong or does not compile is left out on this device and named; the next
 * one serves. Takes about a second, most of it compiling. Source of the idea: wrong results of real drivers
 * (llama.cpp #18814, CubeCL #1444).
 */
import { AppError } from '../../base/errors';
import type { KernelStatus } from '../backend';
import type { WebgpuBackend } from './backend';
import { attentionError, normError, productError } from './self_test_cases';
import { repackError } from './self_test_repack';
import { DEFAULT_TILE, defaultTuning, plainTuning, type AttentionChoice, type GemmChoice, type Tuning } from './tuning';
import { KERNEL_VARIANTS, kernelStatus, missingFeatures, type KernelVariantId } from './variants';

export interface SelfTestReport {
  /** Variant → 'ok' or why it is off; variants without the features they need are absent. */
  readonly verdicts: Readonly<Partial<Record<KernelVariantId, string>>>;
  readonly enabled: ReadonlySet<KernelVariantId>;
  /** Kernels as chosen from what passed. */
  readonly tuning: Tuning;
  readonly kernels: readonly KernelStatus[];
}

export interface SelfTestOptions {
  /** Workgroups that keep the device busy, for splitting reductions. */
  readonly fullGroups?: number;
  /** The user allows 8-bit activations. */
  readonly roundActivations?: boolean;
  /** Variants to leave out; for software drivers that compile one for a minute. */
  readonly skip?: ReadonlySet<KernelVariantId>;
}

interface Check {
  readonly tuning: Tuning;
  /** Largest NMSE of a row. */
  readonly measure: (backend: WebgpuBackend) => Promise<number>;
  readonly limit: number;
}

/** f32 sums of some hundred products in another order. */
const FLOAT = 1e-9;
/** Products of numbers rounded to 11 bits: 1e-6 of the sum of their sizes, more where they cancel. */
const HALF = 5e-4;
/** Numbers rounded to 8 bits: about 2e-5 expected. */
const BYTES = 5e-4;

const gemm = (choice: GemmChoice): Tuning => ({ ...plainTuning, gemm: () => choice });
const attention = (choice: AttentionChoice): Tuning => ({ ...plainTuning, attention: () => choice });
const tiled = (splits: number, rest: { kernel?: 'half'; scratch?: 'f16' | 'f32' } = {}) =>
  gemm({ kernel: 'tiled', tile: { ...DEFAULT_TILE, splits }, ...rest });

function checks(halfFloats: boolean): Readonly<Record<KernelVariantId, Check>> {
  const product = (rows: number, type: 'F32' | 'Q8_0' = 'F32') => {
    return (backend: WebgpuBackend) => productError(backend, rows, type);
  };
  return {
    'gemm-skinny': { tuning: gemm({ kernel: 'skinny' }), measure: product(3), limit: FLOAT },
    'gemm-skinny-subgroups': {
      tuning: gemm({ kernel: 'skinny', subgroups: true }),
      measure: product(3),
      limit: FLOAT,
    },
    'gemm-tiled': { tuning: tiled(1), measure: product(67), limit: FLOAT },
    'gemm-split': { tuning: tiled(3), measure: product(67), limit: FLOAT },
    'gemm-scratch': {
      tuning: tiled(1, { scratch: halfFloats ? 'f16' : 'f32' }),
      measure: product(67, 'Q8_0'),
      limit: halfFloats ? HALF : FLOAT,
    },
    'gemm-half': { tuning: tiled(1, { kernel: 'half' }), measure: product(67), limit: HALF },
    'gemm-integer': { tuning: gemm({ kernel: 'integer' }), measure: product(67, 'Q8_0'), limit: BYTES },
    'attention-flash': { tuning: attention({ kernel: 'flash' }), measure: attentionError, limit: FLOAT },
    'attention-subgroups': {
      tuning: attention({ kernel: 'flash', subgroups: true }),
      measure: attentionError,
      limit: FLOAT,
    },
    'attention-half': { tuning: attention({ kernel: 'flash', half: true }), measure: attentionError, limit: HALF },
    'norm-subgroups': { tuning: { ...plainTuning, subgroupNorms: true }, measure: normError, limit: FLOAT },
    'weights-repack': { tuning: { ...plainTuning, deviceRepack: true }, measure: repackError, limit: 0 },
  };
}

/**
 * Tests the variants on the backend's device and switches it to those that passed.
 * @throws AppError 'backend/device-lost'
 */
export async function selfTest(backend: WebgpuBackend, options: SelfTestOptions = {}): Promise<SelfTestReport> {
  const { fullGroups = 64, roundActivations = false, skip = new Set() } = options;
  const { gpu } = backend.engine;
  const halfFloats = gpu.has('shader-f16');
  const table = checks(halfFloats);
  const verdicts = new Map<KernelVariantId, string>();
  for (const variant of KERNEL_VARIANTS) {
    if (missingFeatures(gpu, variant).length > 0 || skip.has(variant.id)) continue;
    verdicts.set(variant.id, await verdictOf(backend, table[variant.id]));
  }
  const enabled = new Set([...verdicts].filter(([, verdict]) => verdict === 'ok').map(([id]) => id));
  const tuning = defaultTuning({ enabled, fullGroups, halfFloats, roundActivations });
  const kernels = kernelStatus(gpu, verdicts, { roundActivations });
  const off = kernels.filter(({ state }) => state === 'off');
  backend.setTuning(tuning, {
    notes: {
      selfTest:
        off.length === 0 ? 'all kernels passed' : off.map(({ variant, reason }) => `${variant}: ${reason}`).join('; '),
    },
    kernels,
  });
  return { verdicts: Object.fromEntries(verdicts), enabled, tuning, kernels };
}

async function verdictOf(backend: WebgpuBackend, { tuning, measure, limit }: Check): Promise<string> {
  backend.setTuning(tuning);
  try {
    const error = await measure(backend);
    return error <= limit ? 'ok' : `wrong results (NMSE ${error.toExponential(1)})`;
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'backend/device-lost') throw error;
    return error.code;
  }
}
