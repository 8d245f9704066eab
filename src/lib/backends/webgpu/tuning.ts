/** Which matrix and attention kernel serves which shape. Deterministic defaults; measured choices may replace them. */

export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Tiles of `gemm_tiled.wgsl`; each thread owns 8 x 8 outputs. */
export interface TileConfig {
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  /** Parts of the reduction that run side by side. */
  readonly splits: number;
}

export type GemmChoice =
  | { readonly kernel: 'plain' }
  | { readonly kernel: 'skinny' }
  | {
      readonly kernel: 'tiled';
      readonly tile: TileConfig;
      /** Decode a quantized weight to a half-precision scratch first: pays with many rows. */
      readonly scratch?: boolean;
    };

export interface AttentionShape {
  readonly queries: number;
  readonly keys: number;
  /** Head width. */
  readonly width: number;
}

export type AttentionChoice = { readonly kernel: 'plain' } | { readonly kernel: 'flash' };

export interface Tuning {
  gemm(shape: GemmShape): GemmChoice;
  attention(shape: AttentionShape): AttentionChoice;
}

/** Kernels that need neither shared memory nor barriers; what remains when self-tests fail. */
export const plainTuning: Tuning = {
  gemm: () => ({ kernel: 'plain' }),
  attention: () => ({ kernel: 'plain' }),
};

export interface TuningFacts {
  /** Variants that passed the self-test. */
  readonly tiled: boolean;
  readonly split: boolean;
  readonly skinny: boolean;
  readonly flash: boolean;
  /** Workgroups that keep the device busy; 64 when nothing is known. */
  readonly fullGroups: number;
}

/** Choice by shape alone: few rows → skinny, else 64 x 64 tiles, the reduction split when tiles are few. */
export function defaultTuning({ tiled, split, skinny, flash, fullGroups }: TuningFacts): Tuning {
  return {
    gemm({ m, n, k }) {
      if (m <= 4 && skinny) return { kernel: 'skinny' };
      if (!tiled) return { kernel: 'plain' };
      const tiles = Math.ceil(m / 64) * Math.ceil(n / 64);
      // Each part keeps at least 16 K tiles, or adding up costs more than it gains. Powers of two: few pipelines.
      const most = Math.floor(Math.ceil(k / 16) / 16);
      const wanted = Math.min(16, most, Math.ceil(fullGroups / tiles));
      const splits = split && wanted > 1 ? 2 ** Math.floor(Math.log2(wanted)) : 1;
      return { kernel: 'tiled', tile: { bm: 64, bn: 64, bk: 16, splits } };
    },
    // One query or one key leaves a tile almost empty.
    attention: ({ queries }) => ({ kernel: flash && queries > 4 ? 'flash' : 'plain' }),
  };
}
