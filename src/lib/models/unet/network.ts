/** The Stable Diffusion U-Net as a graph. Source: Rombach et al. 2022; Podell et al. 2023 (vector condition). */
import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { resnet, spatialTransformer, upsampleTo, type TransformerContext } from './blocks';
import { featureAfterResample, type UNetConfig } from './config';
import { NORM_EPS } from '../norm_eps';

export interface UNetInputs {
  /** Image [N, inChannels, h, w], already scaled by 1/sqrt(sigma²+1). */
  readonly x: Value;
  /** f32 [N], index into the noise table; fractions allowed. */
  readonly timestep: Value;
  readonly conditions: TransformerContext;
  /** f32 [N, vectorWidth] */
  readonly vector?: Value;
  /** f32 [N, guidanceWidth], added to the time features (LCM). */
  readonly guidance?: Value;
  /** Added to the skip connections, first to last, and to the middle block's output. */
  readonly residuals?: { readonly skips: readonly Value[]; readonly mid: Value };
  /** Added to the last output of each encoder level (before downsampling where it has attention), then to the middle. */
  readonly features?: readonly Value[];
}

/** Time (and vector) embedding, activated once for all residual blocks: [N, timeWidth]. */
export function unetTime(
  g: GraphBuilder,
  config: Pick<UNetConfig, 'timeFeatures' | 'timeWidth'>,
  { timestep, vector, guidance }: Pick<UNetInputs, 'timestep' | 'vector' | 'guidance'>,
): Value {
  const { timeFeatures, timeWidth } = config;
  let features = g.timestepEmbedding(timestep, { dim: timeFeatures });
  g.tap('timestep_features', features);
  if (guidance) {
    features = g.add(features, g.linear(guidance, 'time_embedding.cond_proj', { out: timeFeatures, bias: false }));
  }
  const mlp = (name: string, x: Value) => {
    const hidden = g.linear(x, `${name}.linear_1`, { out: timeWidth, activation: 'silu' });
    const out = g.linear(hidden, `${name}.linear_2`, { out: timeWidth });
    g.tap(name, out);
    return out;
  };
  const time = mlp('time_embedding', features);
  return g.activation(vector ? g.add(time, mlp('add_embedding', vector)) : time, 'silu');
}

/** Encoder half: the deepest feature map and every skip connection. */
export function unetEncoder(
  g: GraphBuilder,
  config: Pick<UNetConfig, 'down' | 'heads' | 'linearProjection'>,
  inputs: { x: Value; time: Value; conditions: TransformerContext; features?: readonly Value[] },
): { h: Value; skips: Value[] } {
  const { time, conditions, features } = inputs;
  let h = inputs.x;
  const skips = [h];
  for (const [i, level] of config.down.entries()) {
    const heads = config.heads[i] ?? 1;
    for (const [j, block] of level.blocks.entries()) {
      h = resnet(g.at(`down_blocks.${i}.resnets.${j}`), h, time, block.channels);
      if (block.depth > 0) {
        const options = { depth: block.depth, heads, linearProjection: config.linearProjection };
        h = spatialTransformer(g.at(`down_blocks.${i}.attentions.${j}`), h, conditions, options);
      }
      const feature = featureAfterResample(level) ? undefined : features?.[i];
      if (feature && j === level.blocks.length - 1) h = g.add(h, feature);
      skips.push(h);
    }
    if (level.resample) {
      const at = g.at(`down_blocks.${i}.downsamplers.0`);
      h = at.conv2d(h, 'conv', { out: h.shape[1] ?? 0, kernel: 3, stride: 2, pad: 1 });
      at.tap('', h);
      const feature = featureAfterResample(level) ? features?.[i] : undefined;
      if (feature) h = g.add(h, feature);
      skips.push(h);
    }
  }
  return { h, skips };
}

/** Middle block. */
export function unetMiddle(
  g: GraphBuilder,
  config: Pick<UNetConfig, 'mid' | 'heads' | 'linearProjection'>,
  { h, time, conditions }: { h: Value; time: Value; conditions: TransformerContext },
): Value {
  const { mid, linearProjection } = config;
  if (!mid) return h;
  let y = resnet(g.at('mid_block.resnets.0'), h, time, mid.channels);
  if (mid.depth > 0) {
    const options = { depth: mid.depth, heads: config.heads.at(-1) ?? 1, linearProjection };
    y = spatialTransformer(g.at('mid_block.attentions.0'), y, conditions, options);
  }
  return mid.resnets === 2 ? resnet(g.at('mid_block.resnets.1'), y, time, mid.channels) : y;
}

/** The whole network; returns the raw prediction [N, outChannels, h, w]. */
export function unet(g: GraphBuilder, config: UNetConfig, inputs: UNetInputs): Value {
  const { conditions, residuals, features } = inputs;
  const time = unetTime(g, config, inputs);
  const stem = g.conv2d(inputs.x, 'conv_in', { out: config.stemChannels, kernel: 3 });
  g.tap('conv_in', stem);
  const encoded = unetEncoder(g, config, { x: stem, time, conditions, ...(features ? { features } : {}) });
  let h = unetMiddle(g, config, { h: encoded.h, time, conditions });
  // SDXL's adapters give one feature more than it has levels.
  const last = features?.[config.down.length];
  if (last) h = g.add(h, last);
  if (residuals) h = g.add(h, residuals.mid);
  const skips = encoded.skips.map((skip, i) => {
    const residual = residuals?.skips[i];
    return residual ? g.add(skip, residual) : skip;
  });

  for (const [i, level] of config.up.entries()) {
    const heads = config.heads[config.down.length - 1 - i] ?? 1;
    for (const [j, block] of level.blocks.entries()) {
      const skip = skips.pop();
      if (skip) h = g.concat([h, skip], 1);
      h = resnet(g.at(`up_blocks.${i}.resnets.${j}`), h, time, block.channels);
      if (block.depth > 0) {
        const options = { depth: block.depth, heads, linearProjection: config.linearProjection };
        h = spatialTransformer(g.at(`up_blocks.${i}.attentions.${j}`), h, conditions, options);
      }
    }
    if (level.resample) {
      const at = g.at(`up_blocks.${i}.upsamplers.0`);
      h = upsampleTo(at, h, skips.at(-1));
      at.tap('', h);
    }
  }
  const norm = g.groupNorm(h, 'conv_norm_out', { eps: NORM_EPS.sdUnetOutNorm });
  g.tap('conv_norm_out', norm);
  return g.conv2d(g.activation(norm, 'silu'), 'conv_out', { out: config.outChannels, kernel: 3 });
}
