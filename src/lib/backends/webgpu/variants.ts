/**
 * The fast kernels as a list: what each needs, and how a device's verdicts become a choice and a report. The plain kernels
 * are not in it: they are the truth on a device and always there. Adding a variant = one row, one check in `self_test.ts`.
 */
import type { GpuDevice } from './device';
import type { KernelStatus } from '../backend';

export interface KernelVariant {
  readonly id: string;
  readonly label: string;
  /** Device features and WGSL language features that it needs. */
  readonly needs: readonly (GPUFeatureName | 'packed_4x8_integer_dot_product')[];
  /** Smallest subgroup that it can work with. */
  readonly subgroupSize?: number;
  /** Rounds more than f32: used only when measured faster, or when the user allows it. */
  readonly rounds?: 'measured' | 'allowed';
}

export const KERNEL_VARIANTS = [
  { id: 'gemm-skinny', label: 'Matrix product with few rows', needs: [] },
  { id: 'gemm-skinny-subgroups', label: 'Matrix product with few rows, subgroups', needs: ['subgroups'] },
  { id: 'gemm-tiled', label: 'Matrix product and convolution in tiles', needs: [] },
  { id: 'gemm-split', label: 'Tiles with split sums', needs: [] },
  { id: 'gemm-scratch', label: 'Quantized weights decoded once per product', needs: [] },
  { id: 'gemm-half', label: 'Tiles in half precision', needs: ['shader-f16'], rounds: 'measured' },
  {
    id: 'gemm-integer',
    label: 'Tiles in 8-bit integers',
    needs: ['packed_4x8_integer_dot_product'],
    rounds: 'allowed',
  },
  { id: 'attention-flash', label: 'Attention in tiles', needs: [] },
  { id: 'attention-subgroups', label: 'Attention in tiles, subgroups', needs: ['subgroups'], subgroupSize: 8 },
  { id: 'attention-half', label: 'Attention in half precision', needs: ['shader-f16'], rounds: 'measured' },
  { id: 'norm-subgroups', label: 'Normalisation, subgroups', needs: ['subgroups'] },
  { id: 'weights-repack', label: 'Weights brought into order on the device', needs: [] },
] as const satisfies readonly KernelVariant[];

export type KernelVariantId = (typeof KERNEL_VARIANTS)[number]['id'];

/** Variant → 'ok', or why it is off; a variant without the features it needs is absent from the map. */
export type Verdicts = ReadonlyMap<KernelVariantId, string>;

type FeatureFacts = Pick<GpuDevice, 'has' | 'hasLanguage' | 'smallestSubgroup'>;

/** Features that a variant needs and the device lacks. */
export function missingFeatures(gpu: FeatureFacts, { needs, subgroupSize = 0 }: KernelVariant): string[] {
  const missing: string[] = needs.filter((need) =>
    need === 'packed_4x8_integer_dot_product' ? !gpu.hasLanguage(need) : !gpu.has(need),
  );
  if (missing.length === 0 && gpu.smallestSubgroup < subgroupSize) missing.push(`subgroups of ${subgroupSize}`);
  return missing;
}

/** The list for the engine panel. */
export function kernelStatus(
  gpu: FeatureFacts,
  verdicts: Verdicts,
  { roundActivations = false }: { readonly roundActivations?: boolean } = {},
): readonly KernelStatus[] {
  return KERNEL_VARIANTS.map((variant: KernelVariant) => {
    const { id, label, rounds } = variant;
    const row = (state: KernelStatus['state'], reason: string): KernelStatus => ({
      variant: id,
      label,
      state,
      reason,
      ...(rounds === 'allowed' && state !== 'absent' ? { choice: 'roundActivations' } : {}),
    });
    const missing = missingFeatures(gpu, variant);
    if (missing.length > 0) return row('absent', `the device has no ${missing.join(', ')}`);
    const verdict = verdicts.get(id as KernelVariantId);
    if (verdict === undefined) return row('untested', 'a software adapter keeps the plain kernels');
    if (verdict !== 'ok') return row('off', verdict);
    if (rounds === 'allowed' && !roundActivations) return row('ready', 'rounds activations to 8 bits; off by default');
    if (rounds === 'measured') return row('ready', 'used where it is measured to be faster');
    return row('used', 'passed the self-test');
  });
}
