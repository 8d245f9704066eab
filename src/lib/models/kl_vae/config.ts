/** AutoencoderKL of Stable Diffusion, SDXL, SD3, FLUX.1 and FLUX.2, read level by level from tensor shapes. */
import type { TensorView } from '../tensor_view';

export interface VaeLevel {
  /** Output channels of each residual block. */
  readonly blocks: readonly number[];
  readonly resample: boolean;
}

export interface KlVaeConfig {
  readonly latentChannels: number;
  /** Encoder, finest first; undefined in decoder-only files. */
  readonly encoder: { readonly stem: number; readonly levels: readonly VaeLevel[]; readonly mid: number } | undefined;
  /** Decoder, coarsest first. */
  readonly decoder: { readonly stem: number; readonly levels: readonly VaeLevel[] } | undefined;
  readonly quantConv: boolean;
  readonly postQuantConv: boolean;
  /** FLUX.2: packed latents normalised by stored statistics. */
  readonly batchNorm: boolean;
}

export type VaeLayout = 'original' | 'diffusers' | 'diffusers-legacy';

/** Which spelling the names have. */
export function vaeLayout(view: TensorView): VaeLayout | undefined {
  for (const side of ['decoder', 'encoder']) {
    if (view.has(`${side}.mid.block_1.conv1.weight`)) return 'original';
    if (view.has(`${side}.mid_block.attentions.0.query.weight`)) return 'diffusers-legacy';
    if (view.has(`${side}.mid_block.resnets.0.conv1.weight`)) return 'diffusers';
  }
  return undefined;
}

function levels(view: TensorView, block: (level: number, i: number) => string, sampler: (level: number) => string) {
  const found: VaeLevel[] = [];
  for (let i = 0; view.has(`${block(i, 0)}.conv1.weight`); i += 1) {
    const blocks: number[] = [];
    for (let j = 0; view.has(`${block(i, j)}.conv1.weight`); j += 1) {
      blocks.push(view.size(`${block(i, j)}.conv1.weight`, 0));
    }
    found.push({ blocks, resample: view.has(`${sampler(i)}.conv.weight`) });
  }
  return found;
}

/** Reads the configuration in any layout. */
export function readKlVae(view: TensorView, layout: VaeLayout): KlVaeConfig {
  const original = layout === 'original';
  const encoderLevels = original
    ? levels(
        view,
        (i, j) => `encoder.down.${i}.block.${j}`,
        (i) => `encoder.down.${i}.downsample`,
      )
    : levels(
        view,
        (i, j) => `encoder.down_blocks.${i}.resnets.${j}`,
        (i) => `encoder.down_blocks.${i}.downsamplers.0`,
      );
  // The original decoder counts from the finest level, the canonical one in the order of execution.
  const decoderLevels = original
    ? levels(
        view,
        (i, j) => `decoder.up.${i}.block.${j}`,
        (i) => `decoder.up.${i}.upsample`,
      ).reverse()
    : levels(
        view,
        (i, j) => `decoder.up_blocks.${i}.resnets.${j}`,
        (i) => `decoder.up_blocks.${i}.upsamplers.0`,
      );
  const mid = original ? 'encoder.mid.block_1.conv1.weight' : 'encoder.mid_block.resnets.0.conv1.weight';
  const latentChannels = view.size('decoder.conv_in.weight', 1) || view.size('encoder.conv_out.weight', 0) / 2;
  return {
    latentChannels,
    encoder:
      encoderLevels.length === 0
        ? undefined
        : { stem: view.size('encoder.conv_in.weight', 0), levels: encoderLevels, mid: view.size(mid, 0) },
    decoder:
      decoderLevels.length === 0 ? undefined : { stem: view.size('decoder.conv_in.weight', 0), levels: decoderLevels },
    quantConv: view.has('quant_conv.weight') || view.has('encoder.quant_conv.weight'),
    postQuantConv: view.has('post_quant_conv.weight') || view.has('decoder.post_quant_conv.weight'),
    batchNorm: view.has('bn.running_mean'),
  };
}
