/** Which matrix, attention and norm kernel serves which shape. Deterministic defaults; measured choices may replace them. */
import type { KernelVariantId } from './variants';
import { decodeCost } from './weights/decode_cost';

export interface GemmShape {
  /** Rows of A: tokens or output pixels. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** How W lies on the device: a file of `wgsl/quant/`; default f32. */
  readonly fragment?: string;
  /** A convolution whose blocks run across taps: its left operand is read number by number. */
  readonly channelMajor?: boolean;
  /** A is an image whose rows overlap; absent for linear layers, and for convolutions that are one. */
  readonly conv?: ConvShape;
}

export interface ConvShape {
  /** Of the input. */
  readonly channels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: number;
  /** 2: the input is enlarged on the way. */
  readonly upsample: 1 | 2;
}

/** Tiles of `gemm_tiled.wgsl` and `gemm_half.wgsl`; each thread owns 8 x 8 outputs. */
export interface TileConfig {
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  /** Parts of the reduction that run side by side. */
  readonly splits: number;
}

/** What a quantized weight is decoded to, once per run, before a product with many rows. */
export type Scratch = 'f16' | 'f32';

export type GemmChoice =
  | { readonly kernel: 'plain'; readonly scratch?: 'f32' }
  | { readonly kernel: 'skinny'; readonly subgroups?: boolean }
  /** Activations rounded to 8 bits; only where the user allows it. */
  | { readonly kernel: 'integer' }
  | {
      /** `half`: products in half precision, block floating point. */
      readonly kernel: 'tiled' | 'half';
      readonly tile: TileConfig;
      readonly scratch?: Scratch;
    };

export interface AttentionShape {
  readonly queries: number;
  readonly keys: number;
  /** Head width. */
  readonly width: number;
  readonly heads: number;
}

export type AttentionChoice =
  { readonly kernel: 'plain' } | { readonly kernel: 'flash'; readonly half?: boolean; readonly subgroups?: boolean };

export interface Tuning {
  /** Nothing is rounded to half precision or to 8 bits. */
  readonly exact?: boolean;
  gemm(shape: GemmShape): GemmChoice;
  attention(shape: AttentionShape): AttentionChoice;
  /** Norms add up with subgroup operations. */
  readonly subgroupNorms?: boolean;
  /** Weights are brought into the kernels' order on the device while loading. */
  readonly deviceRepack?: boolean;
}

/** What is measured: one node of a graph. */
export type TunedShape =
  { readonly op: 'product'; readonly shape: GemmShape } | { readonly op: 'attention'; readonly shape: AttentionShape };

/** Measures nodes and switches the backend to what it finds; see `autotune.ts`. */
export interface Tuner {
  /** @param shapes dominant nodes of a graph, heaviest first */
  tune(shapes: readonly TunedShape[], signal?: AbortSignal): Promise<void>;
}

/** Nodes beyond these add little to a run. */
const DOMINANT_SHAPES = 8;

/** A tuning that remembers what it was asked; `shapes` gives the heaviest nodes, each once. */
export function watchedTuning(tuning: Tuning): {
  readonly tuning: Tuning;
  readonly shapes: () => readonly TunedShape[];
} {
  const seen = new Map<string, { readonly tuned: TunedShape; flops: number }>();
  const see = (tuned: TunedShape, flops: number) => {
    const key = JSON.stringify(tuned);
    const known = seen.get(key);
    if (known) known.flops += flops;
    else seen.set(key, { tuned, flops });
  };
  return {
    tuning: {
      ...tuning,
      gemm(shape) {
        see({ op: 'product', shape }, 2 * shape.m * shape.n * shape.k);
        return tuning.gemm(shape);
      },
      attention(shape) {
        see({ op: 'attention', shape }, 4 * shape.queries * shape.keys * shape.width * shape.heads);
        return tuning.attention(shape);
      },
    },
    shapes: () =>
      [...seen.values()]
        .sort((a, b) => b.flops - a.flops)
        .slice(0, DOMINANT_SHAPES)
        .map(({ tuned }) => tuned),
  };
}

/** Kernels that need neither shared memory nor barriers; what remains when self-tests fail. */
export const plainTuning: Tuning = {
  gemm: () => ({ kernel: 'plain' }),
  attention: () => ({ kernel: 'plain' }),
};

/** Rows from which decoding W once costs less than for every 4 of them, as the plain product does. */
const PLAIN_SCRATCH_ROWS = 16;

/**
 * For adapters that compute on the processor, where shared memory and barriers only cost: plain kernels, quantized weights
 * decoded beforehand where many rows share them.
 */
export const softwareTuning: Tuning = {
  ...plainTuning,
  exact: true,
  gemm: ({ m, fragment = 'f32', channelMajor }) =>
    m >= PLAIN_SCRATCH_ROWS && (decodeCost(fragment).operations > 0 || channelMajor)
      ? { kernel: 'plain', scratch: 'f32' }
      : { kernel: 'plain' },
};

/** The same choices without half precision and rounded activations. */
export function exactTuning(tuning: Tuning): Tuning {
  return {
    ...tuning,
    exact: true,
    gemm(shape) {
      const choice = tuning.gemm(shape);
      if (choice.kernel === 'integer') return { kernel: 'tiled', tile: DEFAULT_TILE };
      if (choice.kernel !== 'tiled' && choice.kernel !== 'half') return choice;
      return { kernel: 'tiled', tile: choice.tile, ...(choice.scratch ? { scratch: 'f32' as const } : {}) };
    },
    attention(shape) {
      const choice = tuning.attention(shape);
      return choice.kernel === 'flash' ? { ...choice, half: false } : choice;
    },
  };
}

export const DEFAULT_TILE: TileConfig = { bm: 64, bn: 64, bk: 16, splits: 1 };

export interface TuningFacts {
  /** Variants of `variants.ts` that passed the self-test. */
  readonly enabled: ReadonlySet<KernelVariantId>;
  /** Workgroups that keep the device busy; 64 when nothing is known. */
  readonly fullGroups: number;
  /** The device computes in half precision, so weights may be decoded to it. */
  readonly halfFloats?: boolean;
  /** The user allows 8-bit activations. */
  readonly roundActivations?: boolean;
}

/** Rows up to which a product is bound by reading W. */
const SKINNY_ROWS = 8;

/** Quantized types that `gemm_integer.wgsl` reads. */
const INTEGER_FRAGMENTS: ReadonlySet<string> = new Set(['q8_0', 'q4_0', 'int8_rows']);

/**
 * Whether `gemm_integer.wgsl` can compute a product. Convolutions of more than one tap cannot: stored blocks run across
 * channels and taps, so that their codes would have to be made anew in the order of the taps. That rounds a second time, as
 * much as the first (measured on normal weights of 320 channels, 3x3: NMSE 2.7e-5 more for Q8_0, 5.7e-3 for Q4_0).
 */
function integerFits({ k, fragment = 'f32', conv }: GemmShape): boolean {
  return !conv && k % 32 === 0 && INTEGER_FRAGMENTS.has(fragment);
}

/**
 * Choice by shape alone: few rows → skinny, else 64 x 64 tiles, the reduction split when tiles are few, quantized weights
 * decoded beforehand where many rows would decode them again and again. f32 arithmetic throughout: variants that round
 * more are left to measurement or to the user.
 */
export function defaultTuning(facts: TuningFacts): Tuning {
  const { enabled, fullGroups, halfFloats = false, roundActivations = false } = facts;
  const has = (variant: KernelVariantId) => enabled.has(variant);
  return {
    subgroupNorms: has('norm-subgroups'),
    deviceRepack: has('weights-repack'),
    gemm(shape) {
      if (shape.m <= SKINNY_ROWS && has('gemm-skinny')) {
        return { kernel: 'skinny', ...(has('gemm-skinny-subgroups') ? { subgroups: true } : {}) };
      }
      if (roundActivations && has('gemm-integer') && integerFits(shape)) return { kernel: 'integer' };
      if (!has('gemm-tiled')) return { kernel: 'plain' };
      const splits = has('gemm-split') ? splitsFor(shape, fullGroups) : 1;
      const scratch = has('gemm-scratch') ? scratchFor(shape, halfFloats ? 'f16' : 'f32') : undefined;
      return { kernel: 'tiled', tile: { ...DEFAULT_TILE, splits }, ...(scratch ? { scratch } : {}) };
    },
    attention({ queries }) {
      // One query or one key leaves a tile almost empty.
      if (!has('attention-flash') || queries <= 4) return { kernel: 'plain' };
      return { kernel: 'flash', ...(has('attention-subgroups') ? { subgroups: true } : {}) };
    },
  };
}

/** Each part keeps at least 16 K tiles, or adding up costs more than it gains. Powers of two: few pipelines. */
function splitsFor({ m, n, k }: GemmShape, fullGroups: number): number {
  const tiles = Math.ceil(m / DEFAULT_TILE.bm) * Math.ceil(n / DEFAULT_TILE.bn);
  const most = Math.floor(Math.ceil(k / DEFAULT_TILE.bk) / 16);
  const wanted = Math.min(16, most, Math.ceil(fullGroups / tiles));
  return wanted > 1 ? 2 ** Math.floor(Math.log2(wanted)) : 1;
}

/** FLOPs a device makes while it moves one byte: about 3 TFLOP/s at 100 GB/s, alike from phones to large GPUs. */
const FLOPS_PER_BYTE = 30;

/**
 * Whether decoding W once, to a scratch, costs less than decoding it again in every row of tiles, as shares of the
 * product's FLOPs: c / (2 BM) against (stored + written + read bytes per weight) · FLOPS_PER_BYTE / (2 M).
 */
export function scratchFor(shape: GemmShape, precision: Scratch): Scratch | undefined {
  const { operations, bytes } = decodeCost(shape.fragment ?? 'f32');
  if (operations === 0) return undefined;
  // Scalar loads with divisions, for every number of A and every column tile.
  const slowLoads = shape.channelMajor ? 40 : 0;
  const fused = operations / (2 * DEFAULT_TILE.bm) + slowLoads / (2 * DEFAULT_TILE.bn);
  const moved = bytes + 2 * (precision === 'f16' ? 2 : 4);
  return (moved * FLOPS_PER_BYTE) / (2 * shape.m) < fused ? precision : undefined;
}
