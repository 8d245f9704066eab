/** ControlNet for Stable Diffusion U-Nets. Source: Zhang et al. 2023; lllyasviel/ControlNet `cldm.py` (Apache-2.0). */
import { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';
import { weightResolver } from '../../graph/weights';
import { mapWeights, type LayerNames } from '../names';
import type { BuiltGraph, ConfigHints, ModelPart } from '../part';
import type { TensorView } from '../tensor_view';
import { checkUNetHeads, type UNetConfig } from '../unet/config';
import { readDiffusersEncoder } from '../unet/diffusers';
import { unetEncoderLayers } from '../unet/names';
import { vectorCondition, type VectorSpec } from '../unet/build';
import { unetEncoder, unetMiddle, unetTime } from '../unet/network';
import { readOriginalEncoder } from '../unet/original';

export interface ControlNetConfig {
  readonly unet: UNetConfig;
  /** Output channels of each hint convolution between the first and the last. */
  readonly hintBlocks: readonly number[];
  readonly hintStem: number;
}

const HINT = 'controlnet_cond_embedding';

/** Every layer: the encoder half of a U-Net, the hint network, one 1x1 convolution per output. */
function* controlNetLayers({ unet, hintBlocks }: ControlNetConfig): Generator<LayerNames> {
  const pair = (canonical: string, original: string): LayerNames => ({
    canonical,
    places: { original: { layer: original } },
  });
  yield* unetEncoderLayers(unet);
  yield pair(`${HINT}.conv_in`, 'input_hint_block.0');
  for (const i of hintBlocks.keys()) yield pair(`${HINT}.blocks.${i}`, `input_hint_block.${2 * (i + 1)}`);
  yield pair(`${HINT}.conv_out`, `input_hint_block.${2 * (hintBlocks.length + 1)}`);
  const outputs = 1 + unet.down.reduce((sum, level) => sum + level.blocks.length + (level.resample ? 1 : 0), 0);
  for (let i = 0; i < outputs; i += 1) yield pair(`controlnet_down_blocks.${i}`, `zero_convs.${i}.0`);
  yield pair('controlnet_mid_block', 'middle_block_out.0');
}

/** The ControlNet in a view, or undefined. */
export function findControlNet(
  view: TensorView,
  file: string,
  hints?: ConfigHints,
): ModelPart<ControlNetConfig> | undefined {
  const original = view.has('input_hint_block.0.weight') && view.has('zero_convs.0.0.weight');
  if (!original && !view.has(`${HINT}.conv_in.weight`)) return undefined;
  const unet = original ? readOriginalEncoder(view, hints) : readDiffusersEncoder(view, hints);
  if (!unet) return undefined;
  const block = (i: number) => (original ? `input_hint_block.${2 * (i + 1)}.weight` : `${HINT}.blocks.${i}.weight`);
  const count = view.count(block) - (original ? 1 : 0);
  const config: ControlNetConfig = {
    unet,
    hintStem: view.size(original ? 'input_hint_block.0.weight' : `${HINT}.conv_in.weight`, 0),
    hintBlocks: Array.from({ length: count }, (_, i) => view.size(block(i), 0)),
  };
  const layout = original ? 'original' : 'diffusers';
  const weights = mapWeights(controlNetLayers(config), view, layout);
  return { role: 'controlnet', architecture: 'controlnet', layout, prefix: view.prefix, config, weights, file };
}

/** Picture [N, 3, 8h, 8w], 0..1 → features at latent size. Every second convolution halves the size. */
function hintNetwork(g: GraphBuilder, { unet, hintStem, hintBlocks }: ControlNetConfig, picture: Value): Value {
  let h = g.conv2d(picture, 'conv_in', { out: hintStem, kernel: 3, activation: 'silu' });
  for (const [i, out] of hintBlocks.entries()) {
    h = g.conv2d(h, `blocks.${i}`, { out, kernel: 3, stride: i % 2 === 1 ? 2 : 1, pad: 1, activation: 'silu' });
  }
  const y = g.conv2d(h, 'conv_out', { out: unet.stemChannels, kernel: 3 });
  g.tap('', y);
  return y;
}

export interface ControlNetSpec {
  readonly batch: number;
  /** Latent cells. */
  readonly height: number;
  readonly width: number;
  readonly tokens: number;
  /** For networks with a vector condition (SDXL): inputs `pooled` and `timeIds` instead of `vector`. */
  readonly vector?: VectorSpec;
  /**
   * `picture` (default): input `hint`. `features`: input `hintFeatures` [1, C, h, w], as `buildControlNetHint` gives
   * them, so that the picture is read once for a run.
   */
  readonly hint?: 'picture' | 'features';
  /** Adds input `strength` [N, 1, 1, 1], which multiplies every output row by row. */
  readonly strength?: boolean;
  /** Outputs fade towards the fine levels: the prompt keeps the details. */
  readonly soft?: boolean;
}

/**
 * Weight of residual i of n at "my prompt is more important"; the middle block keeps 1.
 * Source: Mikubill/sd-webui-controlnet, soft injection.
 */
function softControlWeight(i: number, n: number): number {
  return 0.825 ** (n - i);
}

/** Pixels of the hint per latent cell. */
export function hintStride({ hintBlocks }: Pick<ControlNetConfig, 'hintBlocks'>): number {
  return 2 ** Math.floor(hintBlocks.length / 2);
}

/** Graph of the hint network alone: `hint` image [1, 3, 8h, 8w] 0..1 → `hintFeatures` [1, C, h, w]. */
export function buildControlNetHint(
  { config, weights }: ModelPart<ControlNetConfig>,
  { height, width }: Pick<ControlNetSpec, 'height' | 'width'>,
): BuiltGraph {
  const g = GraphBuilder.create('controlnet hint', weightResolver(weights));
  const cell = hintStride(config);
  const hint = g.input('hint', [1, 3, height * cell, width * cell], { layout: 'image' });
  g.output('hintFeatures', hintNetwork(g.at(HINT), config, hint));
  return { graph: g.finish(), weights };
}

/**
 * Graph of a ControlNet. Inputs `x`, `timestep`, `context` as the U-Net's, `hint` image [N, 3, 8h, 8w] 0..1, and
 * `vector` [N, vectorWidth] for SDXL ones. Outputs `residual_0`, …, `residual_mid`, unweighted unless `strength`.
 */
export function buildControlNet(part: ModelPart<ControlNetConfig>, spec: ControlNetSpec): BuiltGraph {
  const { config, weights } = part;
  const { unet } = config;
  checkUNetHeads(unet);
  const { batch, height, width, tokens } = spec;
  const g = GraphBuilder.create('controlnet', weightResolver(weights));
  const cell = hintStride(config);
  const x = g.input('x', [batch, unet.inChannels, height, width], { layout: 'image' });
  const timestep = g.input('timestep', [batch]);
  const context = g.input('context', [batch, tokens, unet.contextWidth]);
  const picture = spec.hint !== 'features';
  const hint = picture
    ? hintNetwork(g.at(HINT), config, g.input('hint', [batch, 3, height * cell, width * cell], { layout: 'image' }))
    : g.input('hintFeatures', [1, unet.stemChannels, height, width], { layout: 'image' });
  const vector =
    unet.vectorWidth === 0
      ? {}
      : {
          vector: spec.vector
            ? vectorCondition(g, unet, batch, spec.vector)
            : g.input('vector', [batch, unet.vectorWidth]),
        };
  const strength = spec.strength ? g.input('strength', [batch, 1, 1, 1], { layout: 'image' }) : undefined;
  const time = unetTime(g, unet, { timestep, ...vector });
  const stem = g.conv2d(x, 'conv_in', { out: unet.stemChannels, kernel: 3 });
  g.tap('conv_in', stem);
  const conditions = { context };
  const { h, skips } = unetEncoder(g, unet, { x: g.add(stem, hint), time, conditions });
  const mid = unetMiddle(g, unet, { h, time, conditions });
  const output = (name: string, layer: string, value: Value, weight: number) => {
    const y = g.conv2d(value, layer, { out: value.shape[1] ?? 0, kernel: 1 });
    const faded = weight === 1 ? strength : strength && g.lincomb([[weight, strength]]);
    g.output(name, faded ? g.mul(y, faded) : y);
  };
  for (const [i, skip] of skips.entries()) {
    output(`residual_${i}`, `controlnet_down_blocks.${i}`, skip, spec.soft ? softControlWeight(i, skips.length) : 1);
  }
  output('residual_mid', 'controlnet_mid_block', mid, 1);
  return { graph: g.finish(), weights };
}
