/** Kernels worth timing for a product: few, the standard choice first. */
import { DEFAULT_TILE, type AttentionChoice, type GemmChoice, type GemmShape, type TileConfig } from './tuning';
import type { KernelVariantId } from './variants';

export interface Candidate<Choice = GemmChoice> {
  readonly choice: Choice;
  readonly limit: {
    /** Largest NMSE against the standard choice. */
    readonly nmse: number;
    /** Rounds more than f32. */
    readonly rounds: boolean;
  };
}

/** f32 sums in another order, and weights rounded to half precision by a scratch. */
const FLOATS = { nmse: 1e-6, rounds: false };
const HALVES = { nmse: 5e-4, rounds: true };

interface Limits {
  readonly workgroupMemoryBytes: number;
  readonly workgroupThreads: number;
}

const TILES: readonly Omit<TileConfig, 'splits'>[] = [
  { bm: 64, bn: 64, bk: 16 },
  { bm: 128, bn: 64, bk: 16 },
  { bm: 32, bn: 64, bk: 16 },
  { bm: 128, bn: 128, bk: 8 },
];

/** Bytes of workgroup memory of a tile; see `gemm_tiled.wgsl` and `gemm_half.wgsl`. */
export function tileMemoryBytes(
  { bm, bn, bk }: Omit<TileConfig, 'splits'>,
  kernel: 'tiled' | 'half' = 'tiled',
): number {
  const rowBytes = kernel === 'tiled' ? (bk / 4 + 1) * 16 : 5 * 8 + 4;
  // A row of A takes up to 16 bytes of its own.
  return (bm + bn) * rowBytes + 16 * bm;
}

/** Candidates that a device with these limits can run and whose kernels passed the self-test. */
export function candidates(
  { m, n, fragment = 'f32' }: GemmShape,
  standard: GemmChoice,
  enabled: ReadonlySet<KernelVariantId>,
  limits: Limits,
): readonly Candidate[] {
  const all: Candidate[] = [{ choice: standard, limit: FLOATS }];
  const tiledOnes: GemmChoice[] = [];
  if (enabled.has('gemm-tiled')) {
    for (const tile of TILES) tiledOnes.push({ kernel: 'tiled', tile: { ...tile, splits: 1 } });
    const few = Math.ceil(m / DEFAULT_TILE.bm) * Math.ceil(n / DEFAULT_TILE.bn) < 64;
    if (few && enabled.has('gemm-split')) {
      for (const splits of [2, 4, 8]) tiledOnes.push({ kernel: 'tiled', tile: { ...DEFAULT_TILE, splits } });
    }
    if (fragment !== 'f32' && fragment !== 'f16' && m >= 128 && enabled.has('gemm-scratch')) {
      tiledOnes.push({ kernel: 'tiled', tile: DEFAULT_TILE, scratch: 'f16' });
    }
  }
  if (m <= 16 && enabled.has('gemm-skinny')) tiledOnes.push({ kernel: 'skinny' });
  for (const choice of tiledOnes) all.push({ choice, limit: FLOATS });
  if (enabled.has('gemm-half')) {
    for (const tile of TILES.slice(0, 2)) {
      all.push({ choice: { kernel: 'half', tile: { ...tile, bk: 16, splits: 1 } }, limit: HALVES });
    }
  }
  const seen = new Set<string>();
  return all.filter(({ choice }) => {
    const key = labelOf(choice);
    if (seen.has(key)) return false;
    seen.add(key);
    if (choice.kernel !== 'tiled' && choice.kernel !== 'half') return true;
    const { bm, bn } = choice.tile;
    const fits = tileMemoryBytes(choice.tile, choice.kernel) <= limits.workgroupMemoryBytes;
    return fits && (bm / 8) * (bn / 8) <= limits.workgroupThreads;
  });
}

/** Attention kernels that passed the self-test, the standard one first. */
export function attentionCandidates(
  standard: AttentionChoice,
  enabled: ReadonlySet<KernelVariantId>,
): readonly Candidate<AttentionChoice>[] {
  const all: Candidate<AttentionChoice>[] = [{ choice: standard, limit: FLOATS }];
  if (standard.kernel !== 'plain') all.push({ choice: { kernel: 'plain' }, limit: FLOATS });
  const flash = standard.kernel === 'flash' ? standard : undefined;
  if (enabled.has('attention-flash') && (!flash || flash.subgroups || flash.half)) {
    all.push({ choice: { kernel: 'flash' }, limit: FLOATS });
  }
  if (enabled.has('attention-subgroups') && !flash?.subgroups) {
    all.push({ choice: { kernel: 'flash', subgroups: true }, limit: FLOATS });
  }
  if (enabled.has('attention-half') && !flash?.half)
    all.push({ choice: { kernel: 'flash', half: true }, limit: HALVES });
  return all;
}

/** A choice in a few words. */
function labelOf(choice: GemmChoice): string {
  if (choice.kernel !== 'tiled' && choice.kernel !== 'half') {
    return 'subgroups' in choice && choice.subgroups ? `${choice.kernel} subgroups` : choice.kernel;
  }
  const { bm, bn, bk, splits } = choice.tile;
  return `${choice.kernel} ${bm}x${bn}x${bk}${splits > 1 ? ` split ${splits}` : ''}${choice.scratch ? ` scratch ${choice.scratch}` : ''}`;
}
