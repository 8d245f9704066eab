/**
 * The U-Net of Stable Diffusion 1, 2, XL and their kin, read block by block from tensor shapes, so that pruned and
 * narrow variants need no table. Heads cannot be seen in shapes: rule or hint.
 */
import { AppError } from '../../base/errors';
import type { ConfigHints } from '../part';
import type { TensorView } from '../tensor_view';

export interface UNetBlock {
  readonly channels: number;
  /** Transformer blocks after the residual block; 0: none. */
  readonly depth: number;
}

export interface UNetLevel {
  readonly blocks: readonly UNetBlock[];
  /** A downsampling (encoder half) or upsampling (decoder half) convolution ends the level. */
  readonly resample: boolean;
}

export interface UNetConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels after the first convolution. */
  readonly stemChannels: number;
  /** Width of the sinusoidal timestep features. */
  readonly timeFeatures: number;
  readonly timeWidth: number;
  /** Finest first. */
  readonly down: readonly UNetLevel[];
  /** Undefined for networks without a middle block. */
  readonly mid: { readonly channels: number; readonly depth: number; readonly resnets: 1 | 2 } | undefined;
  /** Coarsest first, in the order of execution. */
  readonly up: readonly UNetLevel[];
  readonly contextWidth: number;
  /** `proj_in` and `proj_out` are matrices (SD2, SDXL), not 1x1 convolutions (SD1). */
  readonly linearProjection: boolean;
  /** Heads per level, finest first. */
  readonly heads: readonly number[];
  /** Width of the vector condition (pooled text and sizes), 0 without. */
  readonly vectorWidth: number;
  /** Width of the guidance features (LCM), 0 without. */
  readonly guidanceWidth: number;
}

/** Heads per U-Net level. SD1 has 8 at every level; SD2 and SDXL have heads 64 wide. */
function unetHeads(
  levelChannels: readonly number[],
  hints: ConfigHints | undefined,
  rule: { count: number } | { width: number },
): number[] {
  return levelChannels.map((channels, level) => {
    const given = hints?.heads;
    const fixed = typeof given === 'number' ? given : given?.[level];
    if (fixed !== undefined) return fixed;
    if (hints?.headDim !== undefined) return channels / hints.headDim;
    return 'count' in rule ? rule.count : channels / rule.width;
  });
}

/** Configuration of a U-Net whose block structure is known. */
export function finishUNetConfig(
  view: TensorView,
  names: {
    stem: string;
    timeIn: string;
    guidance: string;
    vector: string;
    out: string;
    firstAttention: string | undefined;
  },
  structure: Pick<UNetConfig, 'down' | 'mid' | 'up'>,
  hints: ConfigHints | undefined,
): UNetConfig {
  const { stem, timeIn, guidance, vector, out, firstAttention } = names;
  const projection = firstAttention === undefined ? undefined : view.shape(`${firstAttention}.proj_in.weight`);
  const linearProjection = projection?.length === 2;
  const contextWidth =
    firstAttention === undefined ? 0 : view.size(`${firstAttention}.transformer_blocks.0.attn2.to_k.weight`, 1);
  const widths = structure.down.map((level) => level.blocks[0]?.channels ?? 0);
  const heads = unetHeads(widths, hints, linearProjection ? { width: 64 } : { count: 8 });
  return {
    ...structure,
    inChannels: view.size(`${stem}.weight`, 1),
    stemChannels: view.size(`${stem}.weight`, 0),
    outChannels: view.size(`${out}.weight`, 0),
    timeFeatures: view.size(`${timeIn}.weight`, 1),
    timeWidth: view.size(`${timeIn}.weight`, 0),
    contextWidth,
    linearProjection,
    heads,
    vectorWidth: view.size(`${vector}.weight`, 1),
    guidanceWidth: view.size(`${guidance}.weight`, 1),
  };
}

/** @throws AppError 'model/unsupported' when shapes and hints give no usable number of heads */
export function checkUNetHeads({ down, heads }: Pick<UNetConfig, 'down' | 'heads'>): void {
  for (const [level, count] of heads.entries()) {
    const hasAttention = down[level]?.blocks.some((block) => block.depth > 0) ?? false;
    const width = down[level]?.blocks[0]?.channels ?? 0;
    if (hasAttention && (!Number.isInteger(count) || count < 1 || width % count !== 0)) {
      throw new AppError(
        'model/unsupported',
        `unet: level ${level} is ${width} wide, which ${count} heads do not divide; give the number of heads in the model's configuration.`,
        { details: { level, width, heads: count } },
      );
    }
  }
}

/** A level's T2I-Adapter feature is added behind its downsampling when the level has no attention (SDXL's first). */
export function featureAfterResample(level: UNetConfig['down'][number]): boolean {
  return level.resample && level.blocks.every((block) => block.depth === 0);
}
