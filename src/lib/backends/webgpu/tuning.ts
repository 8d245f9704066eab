/** Which matrix kernel serves which shape. Deterministic defaults; measured choices replace them per device. */

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
  | { readonly kernel: 'tiled'; readonly tile: TileConfig };

export type GemmTuning = (shape: GemmShape) => GemmChoice;

/** The kernel that needs neither shared memory nor barriers; what remains when a self-test fails. */
export const plainTuning: GemmTuning = () => ({ kernel: 'plain' });

export interface TuningFacts {
  /** Variants that passed the self-test. */
  readonly tiled: boolean;
  readonly skinny: boolean;
  /** Workgroups that keep the device busy; 64 when nothing is known. */
  readonly fullGroups: number;
}

/** Choice by shape alone: few rows → skinny, else 64 x 64 tiles, the reduction split when tiles are few. */
export function defaultTuning({ tiled, skinny, fullGroups }: TuningFacts): GemmTuning {
  return ({ m, n, k }) => {
    if (m <= 4 && skinny) return { kernel: 'skinny' };
    if (!tiled) return { kernel: 'plain' };
    const tiles = Math.ceil(m / 64) * Math.ceil(n / 64);
    // Each part keeps at least 16 K tiles, or adding up costs more than it gains.
    const most = Math.floor(Math.ceil(k / 16) / 16);
    const splits = Math.max(1, Math.min(16, most, Math.ceil(fullGroups / tiles)));
    return { kernel: 'tiled', tile: { bm: 64, bn: 64, bk: 16, splits } };
  };
}
